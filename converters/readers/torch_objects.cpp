// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/readers/torch_objects.hpp"

#include <array>
#include <deque>
#include <set>

#include "graph/error.hpp"

namespace rdi::convert::readers {
namespace {

using Kind = Pickle::Kind;
using Value = Pickle::Value;

constexpr size_t kDeepest = 32;           // dicts in dicts, modules in modules
constexpr size_t kMostDimensions = 64;    // as in torch
constexpr size_t kMostEntries = 1 << 22;  // looked at; shared containers are cheap to write and long to read
constexpr size_t kMostListed = 20;        // state dicts in a message

struct StorageClass {
  std::string_view name;
  size_t elementSize;
  std::optional<ElementType> type;
};

constexpr std::array<StorageClass, 17> kStorageClasses{{
    {"FloatStorage", 4, ElementType::float32},
    {"HalfStorage", 2, ElementType::float16},
    {"BFloat16Storage", 2, ElementType::bfloat16},
    {"DoubleStorage", 8, ElementType::float64},
    {"CharStorage", 1, ElementType::int8},
    {"ByteStorage", 1, ElementType::uint8},
    {"ShortStorage", 2, ElementType::int16},
    {"IntStorage", 4, ElementType::int32},
    {"LongStorage", 8, ElementType::int64},
    {"BoolStorage", 1, ElementType::boolean},
    {"UntypedStorage", 1, std::nullopt},
    {"ComplexFloatStorage", 8, std::nullopt},
    {"ComplexDoubleStorage", 16, std::nullopt},
    {"QUInt8Storage", 1, std::nullopt},
    {"QInt8Storage", 1, std::nullopt},
    {"QInt32Storage", 4, std::nullopt},
    {"QUInt4x2Storage", 1, std::nullopt},
}};

struct TorchType {
  std::string_view name;
  ElementType type;
};

constexpr std::array<TorchType, 10> kTorchTypes{{
    {"torch float32", ElementType::float32},
    {"torch float16", ElementType::float16},
    {"torch bfloat16", ElementType::bfloat16},
    {"torch float64", ElementType::float64},
    {"torch int8", ElementType::int8},
    {"torch uint8", ElementType::uint8},
    {"torch int16", ElementType::int16},
    {"torch int32", ElementType::int32},
    {"torch int64", ElementType::int64},
    {"torch bool", ElementType::boolean},
}};

struct Entry {
  std::string name;
  Value value;
};

/// A function and what it is called with.
struct Call {
  std::string_view function;
  const std::vector<Value>* arguments;
};

/// A dict or module that holds tensors.
struct Candidate {
  std::string path;  // "" is the top level
  Value value;
  size_t tensors = 0;
  bool dotted = false;  // one of them has a dot in its name
};

bool isTextOf(const Value& value, std::string_view expected) {
  return value.kind == Kind::text && Pickle::text(value) == expected;
}

/// Reads the objects that torch.save leaves in a pickle.
class TorchObjects {
public:
  TorchObjects(const Pickle& pickle, const StorageBytes& bytesOf) : pickle_(pickle), bytesOf_(bytesOf) {}

  /// Every dict and module with tensors that text keys lead to, the top level first.
  std::vector<Candidate> candidates() const {
    struct Place {
      std::string path;
      Value value;
      size_t depth;
    };
    std::vector<Candidate> found;
    std::set<uint64_t> seen;
    std::deque<Place> places{{"", untagged(pickle_.root()), 0}};
    for (; !places.empty(); places.pop_front()) {
      const Place place = std::move(places.front());
      if (!isContainer(place.value) || !seen.insert(place.value.as.node).second) continue;
      Candidate candidate{place.path, place.value};
      for (auto& entry : entriesOf(place.value)) {
        if (rebuildOf(entry.value)) {
          ++candidate.tensors;
          candidate.dotted |= entry.name.find('.') != std::string::npos;
        } else if (isDict(place.value) && place.depth < kDeepest &&
                   place.path.size() + entry.name.size() < kLongestName) {
          places.push_back({place.path.empty() ? entry.name : place.path + "." + entry.name, entry.value,
                            place.depth + 1});
        }
      }
      if (candidate.tensors > 0) found.push_back(std::move(candidate));
    }
    return found;
  }

  void read(const Candidate& candidate, Weights& weights) const {
    for (const auto& entry : entriesOf(candidate.value)) {
      weights.tensors.erase(entry.name);  // as in Python, the last of two equal keys counts
      weights.others.erase(entry.name);
      const auto call = rebuildOf(entry.value);
      try {
        if (!call)
          weights.others[entry.name] = describe(entry.value);
        else if (const auto tensor = readTensor(*call))
          weights.tensors[entry.name] = *tensor;
        else
          weights.others[entry.name] = "a tensor of a type that is not supported";
      } catch (const Error& error) {
        throw Error(text("tensor '", entry.name, "' ", error.what()));
      }
    }
  }

  /// "a call of torch._utils _rebuild_qtensor"
  std::string describe(const Value& value) const {
    switch (value.kind) {
      case Kind::none:
        return "None";
      case Kind::boolean:
      case Kind::integer:
      case Kind::real:
        return "a number";
      case Kind::text:
        return "a text";
      case Kind::bytes:
        return "bytes";
      case Kind::sequence:
        return "a list";
      case Kind::dict:
        return "a dict";
      case Kind::global:
        return text("the class ", Pickle::text(value));
      case Kind::persistent:
        return "a bare storage";
      default:
        return text("an object of ", callOf(value).function);
    }
  }

private:
  bool isDict(const Value& value) const {
    if (value.kind == Kind::dict) return true;
    return value.kind == Kind::object &&
           (pickle_.items(value).size() > 3 || callOf(value).function == "collections OrderedDict");
  }

  /// An object with attributes: torch.save(model) and TorchScript write these.
  bool isModule(const Value& value) const {
    return value.kind == Kind::object && !isDict(value) && isDict(pickle_.items(value)[2]);
  }

  bool isContainer(const Value& value) const { return isDict(value) || isModule(value); }

  Call callOf(const Value& value) const {
    const auto& items = pickle_.items(value);
    if (value.kind != Kind::object) return {{}, &items};
    return {Pickle::text(items[0]), &pickle_.items(items[1])};
  }

  /// libtorch notes the type of a container by wrapping it: restore_type_tag(value, "Dict[str, Tensor]").
  Value untagged(const Value& value) const {
    const Call call = callOf(value);
    return call.function == "torch.jit._pickle restore_type_tag" && !call.arguments->empty()
               ? call.arguments->front()
               : value;
  }

  /// The call that makes the tensor, or the one inside a parameter; nothing for what is no dense tensor.
  std::optional<Call> rebuildOf(const Value& value) const {
    Call call = callOf(value);
    for (int wrapped = 0; wrapped < 4; ++wrapped) {
      const auto& arguments = *call.arguments;
      if (call.function == "torch._utils _rebuild_tensor" ||
          call.function == "torch._utils _rebuild_tensor_v2" ||
          call.function == "torch._utils _rebuild_tensor_v3")
        return call;
      if ((call.function == "torch._utils _rebuild_parameter" ||
           call.function == "torch._utils _rebuild_parameter_with_state") &&
          !arguments.empty())
        call = callOf(arguments[0]);
      else if (call.function == "torch._tensor _rebuild_from_type_v2" && arguments.size() > 2)
        call = {Pickle::text(arguments[0]), &pickle_.items(arguments[2])};
      else
        break;
    }
    return std::nullopt;
  }

  /// Entries with text keys of a usable length.
  std::vector<Entry> dictEntries(const Value& dict) const {
    std::vector<Entry> entries;
    const auto add = [&](const Value& key, const Value& value) {
      if (key.kind == Kind::text && key.size <= kLongestName)
        entries.push_back({std::string(Pickle::text(key)), untagged(value)});
    };
    const auto& items = pickle_.items(dict);
    const size_t first = dict.kind == Kind::object ? 3 : 0;
    if (const auto& arguments = *callOf(dict).arguments; dict.kind == Kind::object && !arguments.empty())
      for (const auto& pair : pickle_.items(arguments[0]))  // OrderedDict([[key, value], ...]) of Python 2
        if (pair.kind == Kind::sequence && pickle_.items(pair).size() == 2)
          add(pickle_.items(pair)[0], pickle_.items(pair)[1]);
    for (size_t i = first; i + 1 < items.size(); i += 2) add(items[i], items[i + 1]);
    return entries;
  }

  std::vector<Entry> entriesOf(const Value& container) const {
    std::vector<Entry> entries;
    std::set<uint64_t> seen;
    if (isDict(container))
      entries = dictEntries(container);
    else
      addModule(container, "", 0, seen, entries);
    entriesSeen_ += entries.size();
    if (entriesSeen_ > kMostEntries)
      throw Error(text("holds more than ", kMostEntries,
                       " entries that share their contents; it is damaged or hostile"));
    return entries;
  }

  /// The state dict that the module would give: parameters, buffers and those of its children.
  void addModule(const Value& module, const std::string& prefix, size_t depth, std::set<uint64_t>& seen,
                 std::vector<Entry>& entries) const {
    if (!isModule(module) || depth > kDeepest || prefix.size() > kLongestName ||
        !seen.insert(module.as.node).second)
      return;
    for (const auto& [attribute, value] : dictEntries(pickle_.items(module)[2])) {
      if (attribute == "_modules") {
        for (const auto& child : dictEntries(value))
          addModule(child.value, prefix + child.name + ".", depth + 1, seen, entries);
      } else if (attribute == "_parameters" || attribute == "_buffers") {
        for (const auto& entry : dictEntries(value))
          if (entry.value.kind != Kind::none) entries.push_back({prefix + entry.name, entry.value});
      } else if (rebuildOf(value)) {
        entries.push_back({prefix + attribute, value});
      } else {
        addModule(value, prefix + attribute + ".", depth + 1, seen, entries);
      }
    }
  }

  uint64_t naturalNumber(const Value& value, const char* what) const {
    if (value.kind != Kind::integer || value.as.integer < 0)
      throw Error(text("has ", describe(value), " as ", what, ", expected a number of at least 0"));
    return static_cast<uint64_t>(value.as.integer);
  }

  /// A tuple of numbers or a torch.Size of one.
  graph::Shape numbers(const Value& value, const char* what) const {
    const bool isSize = callOf(value).function == "torch Size" && !callOf(value).arguments->empty();
    const auto& items = pickle_.items(isSize ? callOf(value).arguments->front() : value);
    if (items.size() > kMostDimensions)
      throw Error(text("has ", items.size(), " dimensions, expected ", kMostDimensions, " at most"));
    graph::Shape result;
    for (const auto& item : items) result.push_back(static_cast<int64_t>(naturalNumber(item, what)));
    return result;
  }

  /// Nothing where the type is not supported.
  std::optional<Tensor> readTensor(const Call& call) const {
    const auto& arguments = *call.arguments;
    const bool third = call.function == "torch._utils _rebuild_tensor_v3";
    if (arguments.size() < (third ? 7 : 4)) throw Error("is damaged: the call that makes it lacks arguments");
    const auto record = storageRecord(pickle_, arguments[0]);
    auto type = record.type;
    if (third)
      for (const auto& known : kTorchTypes)
        if (known.name == Pickle::text(arguments[6])) type = known.type;
    // What stands behind the hooks says that the values are to be negated or conjugated.
    const size_t marks = third ? 7 : 6;
    if (arguments.size() > marks && !pickle_.items(arguments[marks]).empty()) return std::nullopt;
    if (!type) return std::nullopt;

    Tensor tensor;
    tensor.type = *type;
    tensor.shape = numbers(arguments[2], "size");
    tensor.strides = numbers(arguments[3], "stride");
    const size_t size = sizeOf(*type);
    auto bytes = bytesOf_(record);
    for (const uint64_t offset : {record.offset, naturalNumber(arguments[1], "offset")}) {
      if (offset > bytes.size() / size)
        throw Error(text("begins at element ", offset, " of a storage of ", bytes.size() / size));
      bytes.remove_prefix(static_cast<size_t>(offset) * size);
    }
    tensor.bytes = bytes;
    checkTensor(tensor);
    return tensor;
  }

  const Pickle& pickle_;
  const StorageBytes& bytesOf_;
  mutable size_t entriesSeen_ = 0;
};

std::string listed(const std::vector<Candidate>& candidates) {
  std::string list;
  for (size_t i = 0; i < candidates.size() && i < kMostListed; ++i) {
    const auto& path = candidates[i].path;
    list += text(i == 0 ? "" : ", ", path.empty() ? "." : path, " (", candidates[i].tensors, " tensors)");
  }
  if (candidates.size() > kMostListed) list += text(" and ", candidates.size() - kMostListed, " more");
  return list;
}

const Candidate& choose(const std::vector<Candidate>& candidates, const std::string& key,
                        const std::string& root) {
  if (candidates.empty())
    throw Error(text("holds no tensors by name, found ", root,
                     "; expected a state dict, as torch.save(model.state_dict(), FILE) writes it"));
  if (!key.empty()) {
    for (const auto& candidate : candidates)
      if (candidate.path == (key == "." ? "" : key)) return candidate;
    throw Error(text("holds no tensors under --key ", key, "; found ", listed(candidates)));
  }
  std::vector<const Candidate*> dotted;
  for (const auto& candidate : candidates)
    if (candidate.dotted) dotted.push_back(&candidate);
  if (dotted.size() == 1) return *dotted[0];
  if (dotted.empty() && candidates.size() == 1) return candidates[0];
  throw Error(text("holds several dicts of tensors: ", listed(candidates), "; choose one with --key"));
}

}  // namespace

bool isStorage(const Pickle& pickle, const Value& persistent) {
  if (persistent.kind != Kind::persistent) return false;
  const auto& parts = pickle.items(pickle.items(persistent)[0]);
  return !parts.empty() && isTextOf(parts[0], "storage");
}

StorageRecord storageRecord(const Pickle& pickle, const Value& persistent) {
  if (!isStorage(pickle, persistent)) throw Error("is damaged: it has no storage");
  const auto& parts = pickle.items(pickle.items(persistent)[0]);
  if (parts.size() < 5 || parts[1].kind != Kind::global || parts[2].kind != Kind::text ||
      parts[4].kind != Kind::integer || parts[4].as.integer < 0)
    throw Error("is damaged: its storage is described by something else than class, key, place and length");
  StorageRecord record;
  record.typeName = Pickle::text(parts[1]);
  record.key = Pickle::text(parts[2]);
  record.elements = static_cast<uint64_t>(parts[4].as.integer);
  for (const auto& known : kStorageClasses) {
    if (record.typeName.substr(record.typeName.find(' ') + 1) != known.name) continue;
    record.elementSize = known.elementSize;
    record.type = known.type;
  }
  if (record.elementSize == 0) throw Error(text("has a storage of the unknown class ", record.typeName));
  if (parts.size() > 5) {
    const auto& view = pickle.items(parts[5]);
    if (view.size() == 3 && view[1].kind == Kind::integer && view[1].as.integer >= 0)
      record.offset = static_cast<uint64_t>(view[1].as.integer);
  }
  return record;
}

void findStateDict(const Pickle& pickle, const StorageBytes& bytesOf, const std::string& key,
                   Weights& weights) {
  const TorchObjects objects(pickle, bytesOf);
  const auto candidates = objects.candidates();
  const auto& chosen = choose(candidates, key, objects.describe(pickle.root()));
  weights.key = chosen.path.empty() ? "." : chosen.path;
  objects.read(chosen, weights);
}

}  // namespace rdi::convert::readers
