// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/lowering.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "graph/attributes.hpp"
#include "graph/engine_support.hpp"
#include "graph/error.hpp"
#include "graph/simplify.hpp"

namespace rdi::engine {
namespace {

using graph::EngineOperator;
using graph::Shape;

void require(bool fits, const onnx::NodeProto& node) {
  if (!fits)
    throw Error(text("operator ", node.op_type(), ", node '", node.name(),
                     "': the shapes recorded in the stage do not fit together; the file is damaged"));
}

/// Values in ONNX order {C, H, W} to memory order {H, W, C}.
std::vector<float> toMemoryOrder(const std::vector<float>& values, const Shape& shape) {
  if (shape.size() != 4) return values;
  const size_t channels = static_cast<size_t>(shape[1]), pixels = static_cast<size_t>(shape[2] * shape[3]);
  std::vector<float> reordered(values.size());
  for (size_t channel = 0; channel < channels; ++channel)
    for (size_t pixel = 0; pixel < pixels; ++pixel)
      reordered[pixel * channels + channel] = values[channel * pixels + pixel];
  return reordered;
}

BinaryKind binaryKind(const std::string& onnxType) {
  if (onnxType == "Add") return BinaryKind::add;
  if (onnxType == "Sub") return BinaryKind::subtract;
  return onnxType == "Mul" ? BinaryKind::multiply : BinaryKind::divide;
}

class Lowering {
public:
  Lowering(const onnx::ModelProto& simplified, const graph::ShapeMap& shapes)
      : graph_(simplified.graph()), facts_(simplified, shapes) {}

  Program run(const std::vector<Layout>& inputLayouts) {
    countReaders();
    lowerInputs(inputLayouts);
    for (const onnx::NodeProto& node : graph_.node()) lowerNode(node);
    lowerOutputs();
    return std::move(program_);
  }

private:
  // ---- Tensors ----
  int addTensor(const std::string& name, const Shape& shape) {
    program_.tensors.push_back({name, shape, -1});
    const int index = static_cast<int>(program_.tensors.size()) - 1;
    indexOf_[name] = index;
    return index;
  }

  int addAlias(const std::string& name, const Shape& shape, int source) {
    const int index = addTensor(name, shape);
    program_.tensors[static_cast<size_t>(index)].sameBytesAs = source;
    return index;
  }

  int rootOf(int index) const {
    while (tensor(index).sameBytesAs >= 0) index = tensor(index).sameBytesAs;
    return index;
  }

  const Tensor& tensor(int index) const { return program_.tensors[static_cast<size_t>(index)]; }

  /// The tensor now holds the value of this name.
  void rename(int index, const std::string& name) {
    program_.tensors[static_cast<size_t>(index)].name = name;
    indexOf_[name] = index;
  }

  int source(const onnx::NodeProto& node, int input) const {
    const auto found = indexOf_.find(node.input(input));
    if (found == indexOf_.end())
      throw Error(text("operator ", node.op_type(), ", node '", node.name(), "' reads tensor '",
                       node.input(input), "', which nothing before it computes"));
    return found->second;
  }

  std::vector<float> constant(const onnx::NodeProto& node, int input) const {
    return graph::floatValues(*facts_.constants.at(node.input(input)));
  }

  bool hasInput(const onnx::NodeProto& node, int input) const {
    return input < node.input_size() && !node.input(input).empty();
  }

  Shape resultShape(const onnx::NodeProto& node) const { return facts_.shape(node.output(0)); }

  // ---- Operations ----
  Operation& emit(OperationKind kind, const onnx::NodeProto& node, std::vector<int> sources,
                  int destination) {
    Operation operation;
    operation.kind = kind;
    operation.name = node.name().empty() ? node.output(0) : node.name();
    operation.sources = std::move(sources);
    operation.destination = destination;
    program_.operations.push_back(std::move(operation));
    return program_.operations.back();
  }

  /// Position of the operation that computes a tensor, or -1.
  int producerOf(int index) const {
    for (int i = static_cast<int>(program_.operations.size()) - 1; i >= 0; --i)
      if (program_.operations[static_cast<size_t>(i)].destination == index) return i;
    return -1;
  }

  void countReaders() {
    for (const onnx::NodeProto& node : graph_.node())
      for (const std::string& input : node.input()) ++readers_[input];
    for (const onnx::ValueInfoProto& output : graph_.output()) {
      ++readers_[output.name()];
      outputNames_.insert(output.name());
    }
  }

  bool readByGemmsOnly(const std::string& name) const {
    if (outputNames_.count(name) != 0) return false;
    for (const onnx::NodeProto& node : graph_.node())
      for (const std::string& input : node.input())
        if (input == name && node.op_type() != "Gemm" && node.op_type() != "MatMul") return false;
    return true;
  }

  void lowerInputs(const std::vector<Layout>& inputLayouts) {
    size_t position = 0;
    for (const onnx::ValueInfoProto& value : graph_.input()) {
      if (facts_.isConstant(value.name())) continue;
      if (position >= inputLayouts.size())
        throw Error(
            text("the stage has more inputs than the ", inputLayouts.size(), " that input_layout describes"));
      const Layout layout = inputLayouts[position++];
      const Shape shape = facts_.shape(value.name());
      if ((shape.size() == 4) == (layout == Layout::plain))
        throw Error(
            text("input_layout of '", value.name(), "' does not fit its shape ", graph::toString(shape)));
      const int index = addTensor(value.name(), shape);
      program_.inputs.push_back(index);
      if (layout != Layout::nchw) continue;
      if (tensor(index).channels() == 1 || tensor(index).pixels() == 1)
        continue;  // both orders are the same bytes
      Operation operation;
      operation.kind = OperationKind::toChannelsLast;
      operation.name = value.name();
      operation.sources = {index};
      operation.destination = addTensor(value.name(), shape);
      program_.operations.push_back(std::move(operation));
    }
    if (position != inputLayouts.size())
      throw Error(
          text("the stage has ", position, " inputs, but input_layout describes ", inputLayouts.size()));
  }

  void lowerOutputs() {
    std::set<int> taken(program_.inputs.begin(), program_.inputs.end());
    for (const onnx::ValueInfoProto& value : graph_.output()) {
      const auto found = indexOf_.find(value.name());
      if (found == indexOf_.end())
        throw Error(text("nothing in the stage computes its output '", value.name(), "'"));
      int index = found->second;
      if (!taken.insert(rootOf(index)).second) {
        Operation operation;
        operation.kind = OperationKind::copy;
        operation.name = value.name();
        operation.sources = {index};
        index = operation.destination = addTensor(value.name(), tensor(index).shape);
        program_.operations.push_back(std::move(operation));
      }
      program_.outputs.push_back(index);
    }
  }

  void lowerNode(const onnx::NodeProto& node) {
    switch (graph::engineOperator(node)) {
      case EngineOperator::convolution:
        return lowerConvolution(node);
      case EngineOperator::affine:
        return lowerAffine(node);
      case EngineOperator::channelScale:
        return lowerChannelScale(node);
      case EngineOperator::maxPool:
        return lowerPool(node, OperationKind::maxPool);
      case EngineOperator::averagePool:
        return lowerPool(node, OperationKind::averagePool);
      case EngineOperator::mean:
        return lowerMean(node);
      case EngineOperator::activation:
        return lowerActivation(node);
      case EngineOperator::binary:
        return lowerBinary(node);
      case EngineOperator::concat:
        return lowerConcat(node);
      case EngineOperator::softmax:
        return lowerSoftmax(node);
      case EngineOperator::excerpt:
        return lowerExcerpt(node);
      case EngineOperator::flatten:
        return lowerFlatten(node);
    }
  }

  void lowerConvolution(const onnx::NodeProto& node) {
    const int from = source(node, 0);
    const Shape weights = facts_.shape(node.input(1)), result = resultShape(node);
    const int64_t groups = graph::intAttribute(node, "group", 1);
    require(groups >= 1 && weights[0] % groups == 0 && weights[1] * groups == tensor(from).channels() &&
                weights[0] == result[1],
            node);
    const int to = addTensor(node.output(0), result);
    Operation& operation = emit(OperationKind::convolution, node, {from}, to);
    operation.groups = groups;
    operation.window = graph::windowOf(node, tensor(from).shape, result, {weights[2], weights[3]});
    require(operation.window.kernel[0] == weights[2] && operation.window.kernel[1] == weights[3], node);
    operation.weights = constant(node, 1);
    if (hasInput(node, 2)) operation.bias = constant(node, 2);
    require(operation.bias.empty() || operation.bias.size() == static_cast<size_t>(weights[0]), node);
  }

  void lowerAffine(const onnx::NodeProto& node) {
    const bool gemm = node.op_type() == "Gemm";
    const int from = source(node, 0);
    const Shape dims = facts_.shape(node.input(1));
    const bool transposed = gemm && graph::intAttribute(node, "transB", 0) != 0;
    const size_t in = static_cast<size_t>(dims[transposed ? 1 : 0]),
                 out = static_cast<size_t>(dims[transposed ? 0 : 1]);
    require(tensor(from).elementCount() == static_cast<int64_t>(in), node);
    require(resultShape(node) == Shape{1, static_cast<int64_t>(out)}, node);
    const float alpha = gemm ? graph::floatAttribute(node, "alpha", 1.0f) : 1.0f;
    const float beta = gemm ? graph::floatAttribute(node, "beta", 1.0f) : 1.0f;
    const std::vector<float> values = constant(node, 1);

    // Where the row is a flattened picture, ONNX counts it as {C, H, W} and memory holds {H, W, C}.
    const auto flattened = pictureOf_.find(from);
    const size_t channels = flattened == pictureOf_.end() ? in : static_cast<size_t>(flattened->second[1]);
    const size_t pixels = in / channels;
    std::vector<float> weights(values.size());
    for (size_t row = 0; row < out; ++row)
      for (size_t channel = 0; channel < channels; ++channel)
        for (size_t pixel = 0; pixel < pixels; ++pixel) {
          const size_t column = channel * pixels + pixel;
          weights[row * in + pixel * channels + channel] =
              alpha * (transposed ? values[row * in + column] : values[column * out + row]);
        }

    const int to = addTensor(node.output(0), {1, static_cast<int64_t>(out)});
    Operation& operation = emit(OperationKind::innerProduct, node, {from}, to);
    operation.weights = std::move(weights);
    if (!gemm || !hasInput(node, 2)) return;
    operation.bias = constant(node, 2);
    if (operation.bias.size() == 1) operation.bias.assign(out, operation.bias[0]);
    require(operation.bias.size() == out, node);
    for (float& value : operation.bias) value *= beta;
  }

  /// y = x * scale + shift per channel: a depthwise convolution of one pixel.
  void lowerChannelScale(const onnx::NodeProto& node) {
    const int from = source(node, 0);
    const size_t channels = static_cast<size_t>(tensor(from).channels());
    const std::vector<float> gamma = constant(node, 1), beta = constant(node, 2), mean = constant(node, 3),
                             variance = constant(node, 4);
    require(resultShape(node) == tensor(from).shape, node);
    for (const auto* values : {&gamma, &beta, &mean, &variance}) require(values->size() == channels, node);
    const double epsilon = graph::floatAttribute(node, "epsilon", 1e-5f);
    const int to = addTensor(node.output(0), resultShape(node));
    Operation& operation = emit(OperationKind::convolution, node, {from}, to);
    operation.groups = static_cast<int64_t>(channels);
    for (size_t channel = 0; channel < channels; ++channel) {
      const double scale = gamma[channel] / std::sqrt(variance[channel] + epsilon);
      operation.weights.push_back(static_cast<float>(scale));
      operation.bias.push_back(static_cast<float>(beta[channel] - mean[channel] * scale));
    }
  }

  void lowerPool(const onnx::NodeProto& node, OperationKind kind) {
    const int from = source(node, 0);
    const Shape result = resultShape(node);
    require(result[1] == tensor(from).channels(), node);
    const int to = addTensor(node.output(0), result);
    Operation& operation = emit(kind, node, {from}, to);
    operation.window = graph::windowOf(node, tensor(from).shape, result, {1, 1});
    operation.countPads = graph::intAttribute(node, "count_include_pad", 0) != 0;
  }

  void lowerMean(const onnx::NodeProto& node) {
    const int from = source(node, 0);
    const Shape result = resultShape(node), picture{1, tensor(from).channels(), 1, 1};
    require(result == picture || result == Shape{1, tensor(from).channels()}, node);
    const int to = addTensor(node.output(0), picture);
    Operation& operation = emit(OperationKind::averagePool, node, {from}, to);
    operation.window.kernel = {tensor(from).shape[2], tensor(from).shape[3]};
    if (result != picture) addAlias(node.output(0), result, to);
  }

  void lowerActivation(const onnx::NodeProto& node) {
    const int from = source(node, 0);
    require(resultShape(node) == tensor(from).shape, node);
    const Activation activation = activationOf(node);
    const int producer = producerOf(from);
    if (producer >= 0 && readers_[node.input(0)] == 1) {
      Operation& before = program_.operations[static_cast<size_t>(producer)];
      const bool fuses = before.kind == OperationKind::convolution ||
                         before.kind == OperationKind::innerProduct || before.kind == OperationKind::binary;
      if (fuses && !before.activation) {
        before.activation = activation;
        rename(from, node.output(0));
        return;
      }
    }
    const int to = addTensor(node.output(0), tensor(from).shape);
    emit(OperationKind::activation, node, {from}, to).activation = activation;
  }

  Activation activationOf(const onnx::NodeProto& node) const {
    const std::string& type = node.op_type();
    if (type == "Relu") return {ActivationKind::relu, 0, 0};
    if (type == "LeakyRelu") return {ActivationKind::relu, graph::floatAttribute(node, "alpha", 0.01f), 0};
    if (type == "Elu") return {ActivationKind::elu, graph::floatAttribute(node, "alpha", 1.0f), 0};
    if (type == "Sigmoid") return {ActivationKind::sigmoid, 0, 0};
    if (type == "Tanh") return {ActivationKind::tanh, 0, 0};
    float bounds[2] = {std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max()};
    if (facts_.opset < 11) {
      bounds[0] = graph::floatAttribute(node, "min", bounds[0]);
      bounds[1] = graph::floatAttribute(node, "max", bounds[1]);
    } else {
      for (int side = 0; side < 2; ++side) {
        if (!hasInput(node, side + 1)) continue;
        const std::vector<float> value = constant(node, side + 1);
        require(value.size() == 1, node);
        bounds[side] = value[0];
      }
    }
    return {ActivationKind::clip, bounds[0], bounds[1]};
  }

  void lowerBinary(const onnx::NodeProto& node) {
    const int first = source(node, 0);
    const Shape result = resultShape(node);
    require(tensor(first).shape == result, node);
    const BinaryKind kind = binaryKind(node.op_type());
    if (facts_.isConstant(node.input(1))) {
      Shape operandShape = facts_.shape(node.input(1));
      operandShape.insert(operandShape.begin(), result.size() - operandShape.size(), 1);
      const int to = addTensor(node.output(0), result);
      Operation& operation = emit(OperationKind::binary, node, {first}, to);
      operation.binary = kind;
      operation.operand = toMemoryOrder(constant(node, 1), operandShape);
      operation.operandShape = operandShape;
      return;
    }
    const int second = source(node, 1);
    if (kind == BinaryKind::add && fuseAddition(node, first, second)) return;
    for (size_t axis = 0; axis < result.size(); ++axis)
      require(tensor(second).shape[axis] == 1 || tensor(second).shape[axis] == result[axis], node);
    const int to = addTensor(node.output(0), result);
    Operation& operation = emit(OperationKind::binary, node, {first, second}, to);
    operation.binary = kind;
    operation.operandShape = tensor(second).shape;
  }

  /// Makes the addition the last step of the convolution or inner product that computes one of its operands
  /// and is read by nobody else; the one that runs later if both could, so that nothing has to be moved.
  bool fuseAddition(const onnx::NodeProto& node, int first, int second) {
    if (first == second || tensor(first).shape != tensor(second).shape) return false;
    std::pair<int, int> sides[2] = {{producerOf(first), 0}, {producerOf(second), 1}};
    if (sides[0].first < sides[1].first) std::swap(sides[0], sides[1]);
    for (const auto& [producer, side] : sides) {
      if (producer < 0 || readers_[node.input(side)] != 1) continue;
      const auto position = program_.operations.begin() + producer;
      const bool fuses =
          position->kind == OperationKind::convolution || position->kind == OperationKind::innerProduct;
      if (!fuses || position->activation || position->addend >= 0) continue;
      position->addend = side == 0 ? second : first;
      rename(position->destination, node.output(0));
      std::rotate(position, position + 1, program_.operations.end());  // runs after both operands are there
      return true;
    }
    return false;
  }

  void lowerConcat(const onnx::NodeProto& node) {
    const Shape result = resultShape(node);
    std::vector<int> sources;
    int64_t channels = 0;
    for (int input = 0; input < node.input_size(); ++input) {
      sources.push_back(source(node, input));
      Shape shape = tensor(sources.back()).shape;
      channels += shape[1];
      shape[1] = result[1];
      require(shape == result, node);
    }
    require(channels == result[1], node);
    const int to = addTensor(node.output(0), result);
    emit(OperationKind::concat, node, std::move(sources), to);
  }

  void lowerSoftmax(const onnx::NodeProto& node) {
    const int from = source(node, 0);
    require(resultShape(node) == tensor(from).shape, node);
    const int to = addTensor(node.output(0), tensor(from).shape);
    emit(OperationKind::softmax, node, {from}, to);
  }

  void lowerExcerpt(const onnx::NodeProto& node) {
    const int from = source(node, 0);
    const int to = addTensor(node.output(0), resultShape(node));
    require(tensor(to).shape.size() == tensor(from).shape.size(), node);
    Operation& operation = emit(OperationKind::excerpt, node, {from}, to);
    operation.box = graph::boxOf(node, tensor(from).shape,
                                 [&](const std::string& name) { return facts_.constant(name); });
  }

  void lowerFlatten(const onnx::NodeProto& node) {
    const int from = source(node, 0);
    const Shape picture = tensor(from).shape, result = resultShape(node);
    require(tensor(from).elementCount() == result[1], node);
    const bool sameOrder = tensor(from).pixels() == 1 || tensor(from).channels() == 1;
    if (sameOrder || readByGemmsOnly(node.output(0))) {
      const int to = addAlias(node.output(0), result, from);
      if (!sameOrder) pictureOf_[to] = picture;
      return;
    }
    const int to = addTensor(node.output(0), result);
    emit(OperationKind::toChannelsFirst, node, {from}, to);
  }

  const onnx::GraphProto& graph_;
  graph::StageFacts facts_;
  Program program_;
  std::map<std::string, int> indexOf_;  // tensor that a name stands for by now
  std::map<std::string, int> readers_;  // nodes and graph outputs that read a name
  std::set<std::string> outputNames_;
  std::map<int, Shape> pictureOf_;  // rows that still lie in memory as the picture they were flattened from
};

}  // namespace

int64_t Tensor::elementCount() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

size_t Tensor::byteCount() const {
  const size_t size = number == Number::float32 ? 4 : number == Number::bfloat16 ? 2 : 1;
  return static_cast<size_t>(elementCount()) * size;
}

Program lower(const onnx::ModelProto& stage, const std::vector<Layout>& inputLayouts) {
  const std::string reason = graph::whyNotOneDnn(stage);
  if (!reason.empty()) throw Error(text("the oneDNN engine cannot run this stage: ", reason));
  onnx::ModelProto simplified = stage;
  graph::simplify(simplified);
  return Lowering(simplified, graph::recordedShapes(stage)).run(inputLayouts);
}

}  // namespace rdi::engine
