// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/opencv_dialect.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "graph/attributes.hpp"
#include "graph/box.hpp"
#include "graph/error.hpp"
#include "graph/shapes.hpp"
#include "graph/window.hpp"

namespace rdi::engine {
namespace {

class Translator {
public:
  explicit Translator(onnx::ModelProto& model, graph::ShapeMap shapes)
      : graph_(*model.mutable_graph()), shapes_(std::move(shapes)) {}

  void run() {
    google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
    nodes.Swap(graph_.mutable_node());
    for (onnx::NodeProto& node : nodes) {
      const std::string type = node.op_type();
      if (type == "Clip") translateClip(node);
      if (type == "HardSigmoid") translateHardSigmoid(node);
      if (type == "Gemm") translateGemm(node);
      if (type == "MaxPool" || type == "AveragePool") translatePadding(node);
      if (type == "AveragePool") translateAveragePool(node);
      if (type == "Squeeze" || type == "Unsqueeze") translateToReshape(node);
      if (type == "Slice") translateSlice(node);
      if (type == "Max" || type == "Min") translateBound(node);
      if (type == "Sub" || type == "Div") putLargerFirst(node);
      if (type == "Add" || type == "Sub" || type == "Mul" || type == "Div") translateOperands(node);
      *graph_.add_node() = std::move(node);
    }
  }

private:
  /// Values of a constant input; empty when the node has no such input or it is no constant.
  std::vector<float> constant(const onnx::NodeProto& node, int input) const {
    if (input >= node.input_size()) return {};
    const onnx::TensorProto* tensor = graph::findInitializer(graph_, node.input(input));
    return tensor == nullptr ? std::vector<float>() : graph::floatValues(*tensor);
  }

  std::string addConstant(const onnx::NodeProto& node, const std::string& role, onnx::TensorProto tensor) {
    tensor.set_name(node.output(0) + "_" + role);
    *graph_.add_initializer() = std::move(tensor);
    return node.output(0) + "_" + role;
  }

  void translateClip(onnx::NodeProto& node) {
    if (node.input_size() < 2) return;
    const std::vector<float> smallest = constant(node, 1), largest = constant(node, 2);
    const bool bounded = node.input_size() > 2 && !node.input(2).empty();
    if ((!node.input(1).empty() && smallest.size() != 1) || (bounded && largest.size() != 1)) return;
    graph::setAttribute(node, "min", smallest.empty() ? std::numeric_limits<float>::lowest() : smallest[0]);
    graph::setAttribute(node, "max", largest.empty() ? std::numeric_limits<float>::max() : largest[0]);
    node.mutable_input()->DeleteSubrange(1, node.input_size() - 1);
  }

  /// A node before this one that reads `inputs`; its result has the shape of `like`.
  std::string before(const onnx::NodeProto& node, const std::string& role, const std::string& type,
                     const std::vector<std::string>& inputs, const std::string& like) {
    const std::string output = node.output(0) + "_" + role;
    auto& added = *graph_.add_node();
    added.set_op_type(type);
    added.set_name(output);
    for (const auto& input : inputs) added.add_input(input);
    added.add_output(output);
    shapes_[output] = shapeOf(like);
    return output;
  }

  void rewrite(onnx::NodeProto& node, const std::string& type, const std::vector<std::string>& inputs) {
    node.set_op_type(type);
    node.clear_attribute();
    node.clear_input();
    for (const auto& input : inputs) node.add_input(input);
  }

  /// OpenCV 4.6 takes x * HardSigmoid(y) for HardSwish(x), whatever y is.
  void translateHardSigmoid(onnx::NodeProto& node) {
    const float alpha = graph::floatAttribute(node, "alpha", 0.2f),
                beta = graph::floatAttribute(node, "beta", 0.5f);
    const std::string source = node.input(0);
    const std::string scaled =
        before(node, "scaled", "Mul",
               {source, addConstant(node, "alpha", graph::floatTensor("", {}, {alpha}))}, source);
    const std::string shifted =
        before(node, "shifted", "Add",
               {scaled, addConstant(node, "beta", graph::floatTensor("", {}, {beta}))}, source);
    rewrite(node, "Clip", {shifted});
    graph::setAttribute(node, "min", 0.0f);
    graph::setAttribute(node, "max", 1.0f);
  }

  /// SAME_LOWER is read as SAME_UPPER.
  void translatePadding(onnx::NodeProto& node) {
    if (graph::stringAttribute(node, "auto_pad", "NOTSET").rfind("SAME", 0) != 0) return;
    const graph::Window window =
        graph::windowOf(node, shapeOf(node.input(0)), shapeOf(node.output(0)), {1, 1});
    eraseAttribute(node, "auto_pad");
    graph::setAttribute(
        node, "pads",
        std::vector<int64_t>{window.padsBegin[0], window.padsBegin[1], window.padsEnd[0], window.padsEnd[1]});
  }

  /// Only one axis at a time is known to it.
  void translateToReshape(onnx::NodeProto& node) {
    const graph::Shape result = shapeOf(node.output(0));
    if (result.empty()) return;
    const std::string target =
        addConstant(node, "shape", graph::intTensor("", {static_cast<int64_t>(result.size())}, result));
    rewrite(node, "Reshape", {node.input(0), target});
  }

  bool isConstant(const std::string& tensor) const {
    return graph::findInitializer(graph_, tensor) != nullptr;
  }

  /// Max and Min with a number are Clip.
  void translateBound(onnx::NodeProto& node) {
    if (node.input_size() != 2) return;
    const int side = isConstant(node.input(0)) ? 0 : 1;
    const std::vector<float> bound = constant(node, side);
    if (bound.size() != 1) return;
    const bool least = node.op_type() == "Max";
    rewrite(node, "Clip", {node.input(1 - side)});
    graph::setAttribute(node, "min", least ? bound[0] : std::numeric_limits<float>::lowest());
    graph::setAttribute(node, "max", least ? std::numeric_limits<float>::max() : bound[0]);
  }

  /// a / B = 1 / B * a and a - B = -B + a, where a is smaller or a constant: the importer takes the operands
  /// for each other.
  void putLargerFirst(onnx::NodeProto& node) {
    const std::string first = node.input(0), second = node.input(1);
    const bool division = node.op_type() == "Div";
    const bool smaller = shapeOf(first) != shapeOf(node.output(0));
    if (isConstant(first) ? !division : !smaller) return;
    const std::string turned = division ? before(node, "reciprocal", "Reciprocal", {second}, second)
                                        : before(node, "negative", "Neg", {second}, second);
    rewrite(node, division ? "Mul" : "Add", {turned, first});
  }

  /// The larger operand first; a constant is a number, one value a channel, or as large as the result.
  void translateOperands(onnx::NodeProto& node) {
    const graph::Shape result = shapeOf(node.output(0));
    const std::string type = node.op_type();
    const bool commutes = type == "Add" || type == "Mul";
    if (commutes && !isConstant(node.input(0)) && !isConstant(node.input(1)) &&
        shapeOf(node.input(0)) != result)
      node.mutable_input()->SwapElements(0, 1);
    for (int side = 0; side < 2; ++side) {
      const auto* tensor = graph::findInitializer(graph_, node.input(side));
      if (tensor == nullptr || tensor->data_type() != onnx::TensorProto::FLOAT) continue;
      const graph::Shape shape(tensor->dims().begin(), tensor->dims().end());
      if (needsExpansion(shape, result))
        node.set_input(side, addConstant(node, "operand", expanded(*tensor, shape, result)));
    }
  }

  /// True for a shape that has an axis of its own other than the channels', and not all of the result's.
  static bool needsExpansion(const graph::Shape& shape, const graph::Shape& result) {
    if (result.size() < 3 || shape.size() > result.size() || shape == result) return false;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      if (shape[shape.size() - 1 - axis] != 1 && result.size() - 1 - axis != 1) return true;
    return false;
  }

  static onnx::TensorProto expanded(const onnx::TensorProto& tensor, graph::Shape shape,
                                    const graph::Shape& result) {
    shape.insert(shape.begin(), result.size() - shape.size(), 1);
    const std::vector<float> values = graph::floatValues(tensor);
    size_t count = 1;
    for (const int64_t size : result) count *= static_cast<size_t>(size);
    std::vector<float> all(count);
    for (size_t i = 0; i < count; ++i) {
      size_t rest = i, at = 0, step = 1;
      for (size_t axis = result.size(); axis-- > 0;) {
        const size_t position = rest % static_cast<size_t>(result[axis]);
        rest /= static_cast<size_t>(result[axis]);
        if (shape[axis] != 1) at += position * step;
        step *= static_cast<size_t>(shape[axis]);
      }
      all[i] = values[at];
    }
    return graph::floatTensor("", result, all);
  }

  static void eraseAttribute(onnx::NodeProto& node, const std::string& name) {
    for (int i = node.attribute_size() - 1; i >= 0; --i)
      if (node.attribute(i).name() == name) node.mutable_attribute()->DeleteSubrange(i, 1);
  }

  void translateGemm(onnx::NodeProto& node) {
    const onnx::TensorProto* tensor =
        node.input_size() < 2 ? nullptr : graph::findInitializer(graph_, node.input(1));
    if (tensor == nullptr || tensor->dims_size() != 2 || graph::intAttribute(node, "transA", 0) != 0) return;
    const bool transposed = graph::intAttribute(node, "transB", 0) != 0;
    const size_t in = static_cast<size_t>(tensor->dims(transposed ? 1 : 0)),
                 out = static_cast<size_t>(tensor->dims(transposed ? 0 : 1));
    const float alpha = graph::floatAttribute(node, "alpha", 1),
                beta = graph::floatAttribute(node, "beta", 1);
    std::vector<float> bias = constant(node, 2);
    if (transposed && alpha == 1 && beta == 1 && bias.size() == out) return;
    if (node.input_size() > 2 && bias.empty()) return;
    const std::vector<float> values = graph::floatValues(*tensor);
    std::vector<float> weights(values.size());
    for (size_t row = 0; row < out; ++row)
      for (size_t column = 0; column < in; ++column)
        weights[row * in + column] = alpha * values[transposed ? row * in + column : column * out + row];
    if (bias.size() != out) bias.assign(out, bias.empty() ? 0.0f : bias[0]);
    for (float& value : bias) value *= beta;
    const auto columns = static_cast<int64_t>(in), rows = static_cast<int64_t>(out);
    const std::string source = node.input(0);
    const std::string newWeights =
        addConstant(node, "weights", graph::floatTensor("", {rows, columns}, weights));
    const std::string newBias = addConstant(node, "bias", graph::floatTensor("", {rows}, bias));
    node.clear_input();
    for (const std::string& input : {source, newWeights, newBias}) node.add_input(input);
    node.clear_attribute();
    graph::setAttribute(node, "transB", int64_t{1});
  }

  void translateAveragePool(onnx::NodeProto& node) {
    if (graph::intAttribute(node, "count_include_pad", 0) == 0) return;
    const graph::Shape source = shapeOf(node.input(0)), result = shapeOf(node.output(0));
    if (source.size() != 4 || result.size() != 4) return;
    const graph::Window window = graph::windowOf(node, source, result, {1, 1});
    graph::setAttribute(node, "count_include_pad", int64_t{0});
    if (window.padsBegin == std::array<int64_t, 2>{0, 0} && window.padsEnd == std::array<int64_t, 2>{0, 0})
      return;
    onnx::NodeProto* pad = graph_.add_node();
    pad->set_op_type("Pad");
    pad->set_name(node.name() + "_pad");
    pad->add_input(node.input(0));
    pad->add_input(addConstant(node, "pads",
                               graph::intTensor("", {8},
                                                {0, 0, window.padsBegin[0], window.padsBegin[1], 0, 0,
                                                 window.padsEnd[0], window.padsEnd[1]})));
    pad->add_output(node.output(0) + "_padded");
    node.set_input(0, pad->output(0));
    eraseAttribute(node, "auto_pad");
    eraseAttribute(node, "ceil_mode");
    graph::setAttribute(node, "pads", std::vector<int64_t>{0, 0, 0, 0});
  }

  /// All axes in order: OpenCV takes others for something else without a word.
  void translateSlice(onnx::NodeProto& node) {
    const graph::Shape source = shapeOf(node.input(0)), result = shapeOf(node.output(0));
    if (source.empty() || source.size() != result.size()) return;
    const graph::Box box = graph::boxOf(
        node, source, [&](const std::string& tensor) { return graph::findInitializer(graph_, tensor); });
    std::vector<int64_t> ends, axes;
    for (size_t axis = 0; axis < source.size(); ++axis) {
      ends.push_back(box.begin[axis] + (result[axis] - 1) * box.step[axis] + 1);
      axes.push_back(static_cast<int64_t>(axis));
    }
    const bool byInputs = node.input_size() > 1;
    const std::string data = node.input(0);
    node.clear_input();
    node.add_input(data);
    const std::pair<const char*, const std::vector<int64_t>*> operands[] = {
        {"starts", &box.begin}, {"ends", &ends}, {"axes", &axes}, {"steps", &box.step}};
    for (const auto& [role, values] : operands) {
      if (byInputs)
        node.add_input(
            addConstant(node, role, graph::intTensor("", {static_cast<int64_t>(values->size())}, *values)));
      else if (std::string(role) != "steps")  // before opset 10 there were none
        graph::setAttribute(node, role, *values);
    }
  }

  graph::Shape shapeOf(const std::string& tensor) const {
    const auto found = shapes_.find(tensor);
    return found == shapes_.end() ? graph::Shape() : found->second;
  }

  onnx::GraphProto& graph_;
  graph::ShapeMap shapes_;
};

}  // namespace

onnx::ModelProto inOpenCvDialect(const onnx::ModelProto& stage) {
  onnx::ModelProto model = stage;
  Translator(model, graph::recordedShapes(stage)).run();
  return model;
}

}  // namespace rdi::engine
