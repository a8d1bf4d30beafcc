// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/precision.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

namespace rdi::engine {
namespace {

using graph::Precision;

constexpr float kLargestWeight = 127;  // weights are symmetric: -128 is not used
constexpr float kLargestSigned = 127, kLargestUnsigned = 255;

struct Storing {
  Number number = Number::float32;
  float scale = 1;

  bool operator==(const Storing& other) const { return number == other.number && scale == other.scale; }
};

/// Activations that mean the same on numbers that are multiplied with a positive scale, their bounds scaled.
bool scales(const std::optional<Activation>& activation) {
  return !activation || activation->kind == ActivationKind::relu || activation->kind == ActivationKind::clip;
}

class Pass {
public:
  Pass(Program& program, const std::vector<Layout>& inputLayouts, Precision precision,
       const graph::RangeMap& ranges)
      : program_(program), precision_(precision), ranges_(ranges) {
    const size_t count = program.tensors.size();
    staysFloat_.resize(count, false);
    isPicture_.resize(count, false);
    wantedLow_.resize(count, false);
    for (size_t i = 0; i < program.inputs.size(); ++i)
      if (inputLayouts[i] == Layout::nchw) isPicture_[at(program.inputs[i])] = true;
    for (const std::vector<int>* ports : {&program.inputs, &program.outputs})
      for (const int port : *ports) staysFloat_[at(port)] = true;
    for (size_t i = 0; i < count; ++i) {
      if (program.tensors[i].sameBytesAs < 0) continue;
      staysFloat_[i] = staysFloat_[at(program.tensors[i].sameBytesAs)] = true;
    }
  }

  void run() {
    std::vector<Operation> operations = std::move(program_.operations);
    program_.operations.clear();
    for (const Operation& operation : operations) followPictures(operation);
    for (auto operation = operations.rbegin(); operation != operations.rend(); ++operation)
      findWantedLow(*operation);
    for (Operation& operation : operations) {
      if (isLow(operation))
        lower(operation);
      else if (operation.kind == OperationKind::maxPool)
        keepNumber(operation);
      else
        keepFloat(operation);
      program_.operations.push_back(std::move(operation));
    }
  }

private:
  static size_t at(int index) { return static_cast<size_t>(index); }
  Tensor& tensor(int index) { return program_.tensors[at(index)]; }
  const Tensor& tensor(int index) const { return program_.tensors[at(index)]; }

  void followPictures(const Operation& operation) {
    const bool moves =
        operation.kind == OperationKind::toChannelsLast || operation.kind == OperationKind::excerpt;
    if (moves && isPicture_[at(operation.sources[0])]) isPicture_[at(operation.destination)] = true;
  }

  /// A tensor is worth storing in few bits when a convolution reads it so, or a pooling for one.
  void findWantedLow(const Operation& operation) {
    const bool low = isLow(operation);
    const bool pools = operation.kind == OperationKind::maxPool && wantedLow_[at(operation.destination)];
    if (low || pools) wantedLow_[at(operation.sources[0])] = true;
    if (low && operation.addend >= 0) wantedLow_[at(operation.addend)] = true;
  }

  bool isLow(const Operation& operation) const {
    const auto finite = [](float weight) { return std::isfinite(weight); };
    return operation.kind == OperationKind::convolution && !isPicture_[at(operation.sources[0])] &&
           lowStoring(operation.sources[0]).has_value() &&
           std::all_of(operation.weights.begin(), operation.weights.end(), finite);
  }

  /// How this precision stores a tensor; absent when its range is not known.
  std::optional<Storing> lowStoring(int index) const {
    if (precision_ == Precision::bf16) return Storing{Number::bfloat16, 1};
    if (tensor(index).number == Number::signed8 || tensor(index).number == Number::unsigned8)
      return Storing{tensor(index).number, tensor(index).scale};
    const auto range = ranges_.find(tensor(index).name);
    if (range == ranges_.end()) return std::nullopt;
    const auto [low, high] = range->second;
    if (high <= 0 && low >= 0) return Storing{Number::unsigned8, 1};  // nothing but zeros
    if (low >= 0) return Storing{Number::unsigned8, high / kLargestUnsigned};
    return Storing{Number::signed8, std::max(-low, high) / kLargestSigned};
  }

  void lower(Operation& operation) {
    const Storing source = *lowStoring(operation.sources[0]);
    operation.sources[0] = as(source, operation.sources[0]);
    const int to = operation.destination;
    const bool eightBits = precision_ == Precision::int8;
    const std::optional<Storing> storing = lowStoring(to);
    const std::optional<Storing> addend = operation.addend < 0 ? Storing{} : lowStoring(operation.addend);
    const bool lowResult = !staysFloat_[at(to)] && wantedLow_[at(to)] && storing && addend &&
                           (!eightBits || scales(operation.activation));
    if (lowResult) store(to, *storing);
    if (operation.addend >= 0) operation.addend = as(lowResult ? *addend : Storing{}, operation.addend);
    if (eightBits) quantize(operation, static_cast<size_t>(tensor(to).channels()));
  }

  /// Max-pooling chooses among numbers, whatever they stand for.
  void keepNumber(Operation& operation) {
    if (staysFloat_[at(operation.destination)]) return keepFloat(operation);
    const Tensor& source = tensor(operation.sources[0]);
    store(operation.destination, {source.number, source.scale});
  }

  void keepFloat(Operation& operation) {
    for (int& source : operation.sources) source = as({}, source);
    if (operation.addend >= 0) operation.addend = as({}, operation.addend);
  }

  void store(int index, const Storing& storing) {
    tensor(index).number = storing.number;
    tensor(index).scale = storing.scale;
  }

  /// The tensor, or its values stored so.
  int as(const Storing& storing, int index) {
    if (Storing{tensor(index).number, tensor(index).scale} == storing) return index;
    const auto [known, isNew] = converted_.try_emplace({index, storing.number}, -1);
    if (!isNew) return known->second;
    Tensor result = tensor(index);
    result.sameBytesAs = -1;
    program_.tensors.push_back(result);
    known->second = static_cast<int>(program_.tensors.size()) - 1;
    store(known->second, storing);
    Operation conversion;
    conversion.kind = OperationKind::convert;
    conversion.name = result.name;
    conversion.sources = {index};
    conversion.destination = known->second;
    program_.operations.push_back(std::move(conversion));
    return known->second;
  }

  static void quantize(Operation& operation, size_t channels) {
    const size_t perChannel = operation.weights.size() / channels;
    for (size_t channel = 0; channel < channels; ++channel) {
      float* const weights = operation.weights.data() + channel * perChannel;
      float largest = 0;
      for (size_t i = 0; i < perChannel; ++i) largest = std::max(largest, std::abs(weights[i]));
      const float scale = largest > 0 ? largest / kLargestWeight : 1;
      for (size_t i = 0; i < perChannel; ++i) weights[i] = std::nearbyint(weights[i] / scale);
      operation.weightScales.push_back(scale);
    }
  }

  Program& program_;
  Precision precision_;
  const graph::RangeMap& ranges_;
  std::vector<bool> staysFloat_, isPicture_, wantedLow_;  // by tensor of the program as it was
  std::map<std::pair<int, Number>, int> converted_;       // tensor and how it is stored -> tensor
};

}  // namespace

void lowerPrecision(Program& program, const std::vector<Layout>& inputLayouts, Precision precision,
                    const graph::RangeMap& ranges) {
  if (precision != Precision::float32) Pass(program, inputLayouts, precision, ranges).run();
}

}  // namespace rdi::engine
