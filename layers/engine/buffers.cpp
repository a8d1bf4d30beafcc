// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/buffers.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace rdi::engine {
namespace {

constexpr size_t kAlignment = 64;
constexpr int kForever = std::numeric_limits<int>::max();

/// Tensors that share their bytes.
struct Group {
  int born = kForever;  // operation that writes it first; -1: before the first one
  int dies = -1;        // last operation that touches it
  size_t bytes = 0;
  Place place;
  bool external() const { return place.storage != Storage::arena; }
};

class Planner {
public:
  explicit Planner(Program& program) : program_(program), groupOf_(program.tensors.size()) {
    std::iota(groupOf_.begin(), groupOf_.end(), 0);
    groups_.resize(program.tensors.size());
  }

  BufferPlan run() {
    for (size_t i = 0; i < program_.tensors.size(); ++i) {
      groups_[i].bytes = program_.tensors[i].byteCount();
      if (program_.tensors[i].sameBytesAs >= 0) join(static_cast<int>(i), program_.tensors[i].sameBytesAs);
    }
    for (size_t i = 0; i < program_.inputs.size(); ++i)
      place(program_.inputs[i], Storage::input, static_cast<int>(i));
    for (size_t i = 0; i < program_.outputs.size(); ++i)
      place(program_.outputs[i], Storage::output, static_cast<int>(i));
    for (size_t i = 0; i < program_.operations.size(); ++i) {
      const Operation& operation = program_.operations[i];
      touch(operation.destination, static_cast<int>(i));
      for (const int source : operation.sources) touch(source, static_cast<int>(i));
      if (operation.addend >= 0) touch(operation.addend, static_cast<int>(i));
    }
    for (size_t i = 0; i < program_.operations.size(); ++i) shareAddend(static_cast<int>(i));
    return layOut();
  }

private:
  int find(int tensor) const {
    while (groupOf_[static_cast<size_t>(tensor)] != tensor) tensor = groupOf_[static_cast<size_t>(tensor)];
    return tensor;
  }

  Group& groupOf(int tensor) { return groups_[static_cast<size_t>(find(tensor))]; }

  void touch(int tensor, int operation) {
    Group& group = groupOf(tensor);
    group.born = std::min(group.born, operation);
    group.dies = std::max(group.dies, operation);
  }

  void place(int tensor, Storage storage, int index) {
    Group& group = groupOf(tensor);
    group.place.storage = storage;
    group.place.index = index;
    (storage == Storage::input ? group.born : group.dies) = storage == Storage::input ? -1 : kForever;
  }

  void join(int tensor, int other) {
    const int from = find(tensor), to = find(other);
    if (from == to) return;
    Group& source = groups_[static_cast<size_t>(from)];
    Group& target = groups_[static_cast<size_t>(to)];
    target.born = std::min(target.born, source.born);
    target.dies = std::max(target.dies, source.dies);
    target.bytes = std::max(target.bytes, source.bytes);
    if (source.external()) target.place = source.place;
    groupOf_[static_cast<size_t>(from)] = to;
  }

  void shareAddend(int index) {
    Operation& operation = program_.operations[static_cast<size_t>(index)];
    if (operation.addend < 0) return;
    const Group& addend = groupOf(operation.addend);
    const bool alsoRead = std::any_of(operation.sources.begin(), operation.sources.end(),
                                      [&](int source) { return find(source) == find(operation.addend); });
    operation.copiesAddend = addend.external() || alsoRead || addend.dies != index;
    if (!operation.copiesAddend) join(operation.addend, operation.destination);
  }

  /// First fit, large groups first.
  BufferPlan layOut() {
    std::vector<int> order;
    for (size_t i = 0; i < groups_.size(); ++i)
      if (find(static_cast<int>(i)) == static_cast<int>(i) && !groups_[i].external())
        order.push_back(static_cast<int>(i));
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return groups_[static_cast<size_t>(a)].bytes > groups_[static_cast<size_t>(b)].bytes;
    });
    BufferPlan plan;
    std::vector<const Group*> placed;  // ascending offsets
    for (const int index : order) {
      Group& group = groups_[static_cast<size_t>(index)];
      size_t offset = 0;
      for (const Group* other : placed) {
        if (other->born > group.dies || group.born > other->dies) continue;
        if (offset + group.bytes <= other->place.offset) break;
        offset = std::max(offset, roundUp(other->place.offset + other->bytes));
      }
      group.place.offset = offset;
      plan.arenaBytes = std::max(plan.arenaBytes, roundUp(offset + group.bytes));
      const auto position = std::find_if(placed.begin(), placed.end(),
                                         [&](const Group* other) { return other->place.offset > offset; });
      placed.insert(position, &group);
    }
    for (size_t i = 0; i < program_.tensors.size(); ++i)
      plan.places.push_back(groupOf(static_cast<int>(i)).place);
    return plan;
  }

  static size_t roundUp(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  Program& program_;
  std::vector<int> groupOf_;
  std::vector<Group> groups_;
};

}  // namespace

BufferPlan planBuffers(Program& program) { return Planner(program).run(); }

}  // namespace rdi::engine
