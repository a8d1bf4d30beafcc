// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/transposes.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/attributes.hpp"
#include "graph/shapes.hpp"
#include "graph/simplify.hpp"

namespace rdi::graph {

namespace {

// Axis i of the result is axis order[i] of the source.
using Order = std::vector<int64_t>;

bool isOneOf(const std::string& type, const std::set<std::string>& types) { return types.count(type) != 0; }

const std::set<std::string>& unaryTypes() {
  static const std::set<std::string> types{
      "Relu",        "LeakyRelu", "Elu",      "Selu",     "Celu",     "Sigmoid", "Tanh", "Clip",
      "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Exp",      "Log",     "Sqrt", "Abs",
      "Neg",         "Erf",       "Floor",    "Ceil",     "Identity", "Dropout", "Mish", "ThresholdedRelu"};
  return types;
}

const std::set<std::string>& binaryTypes() {
  static const std::set<std::string> types{"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum"};
  return types;
}

const std::set<std::string>& reducingTypes() {
  static const std::set<std::string> types{"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2"};
  return types;
}

bool isIdentity(const Order& order) {
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] != static_cast<int64_t>(i)) return false;
  return true;
}

/// Whether it holds each of 0 .. rank - 1 once.
bool isOrderOf(const Order& order, size_t rank) {
  Order sorted = order;
  std::sort(sorted.begin(), sorted.end());
  return order.size() == rank && isIdentity(sorted);
}

template <typename List>
List permuted(const List& values, const Order& order) {
  List result;
  for (const int64_t axis : order) result.push_back(values[static_cast<size_t>(axis)]);
  return result;
}

Order inverse(const Order& order) {
  Order result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return result;
}

/// Values of a tensor of shape `shape` with its axes in another order.
std::vector<float> transposed(const std::vector<float>& values, const Shape& shape, const Order& order) {
  std::vector<int64_t> steps(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) steps[i - 1] = steps[i] * shape[i];
  const Shape result = permuted(shape, order);
  std::vector<float> moved(values.size());
  for (size_t i = 0; i < moved.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t at = 0;
    for (size_t axis = result.size(); axis-- > 0;) {
      at += rest % result[axis] * steps[static_cast<size_t>(order[axis])];
      rest /= result[axis];
    }
    moved[i] = values[static_cast<size_t>(at)];
  }
  return moved;
}

class Sinking {
public:
  explicit Sinking(onnx::ModelProto& model) : graph_(*model.mutable_graph()), shapes_(knownShapes(model, 1)) {
    for (const auto& node : graph_.node()) names_.insert(node.output().begin(), node.output().end());
    for (const auto& tensor : graph_.initializer()) names_.insert(tensor.name());
    index();
  }

  /// Moves or removes one Transpose; false when none can be.
  bool step() {
    for (auto& node : *graph_.mutable_node())
      if (rewrite(node)) {
        finish();
        return true;
      }
    return false;
  }

private:
  void index() {
    producer_.clear();
    for (auto& node : *graph_.mutable_node())
      for (const auto& output : node.output()) producer_[output] = &node;
  }

  /// Puts the nodes added by the rewrite behind the one that they read.
  void finish() {
    if (!added_.empty() || !constants_.empty()) {
      google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
      for (const auto& constant : constants_) *nodes.Add() = constant;
      for (auto& node : *graph_.mutable_node()) {
        std::vector<std::string> outputs(node.output().begin(), node.output().end());
        *nodes.Add() = std::move(node);
        for (const auto& added : added_)
          if (std::count(outputs.begin(), outputs.end(), added.input(0))) *nodes.Add() = added;
      }
      nodes.Swap(graph_.mutable_node());
      added_.clear();
      constants_.clear();
    }
    removeUnused(graph_);
    index();
  }

  bool isOutput(const std::string& tensor) const {
    return std::any_of(graph_.output().begin(), graph_.output().end(),
                       [&](const auto& output) { return output.name() == tensor; });
  }

  const onnx::NodeProto* transposeBefore(const std::string& tensor) const {
    const auto found = producer_.find(tensor);
    return found != producer_.end() && found->second->op_type() == "Transpose" ? found->second : nullptr;
  }

  static Order orderOf(const onnx::NodeProto& transpose, size_t rank) {
    Order order(rank);
    for (size_t i = 0; i < rank; ++i) order[i] = static_cast<int64_t>(rank - 1 - i);
    return intsAttribute(transpose, "perm", order);
  }

  /// The order in which a node's input was put, or nothing.
  std::optional<Order> orderBefore(const std::string& tensor) const {
    const auto* transpose = transposeBefore(tensor);
    const auto shape = shapes_.find(tensor);
    if (!transpose || shape == shapes_.end()) return std::nullopt;
    const Order order = orderOf(*transpose, shape->second.size());
    // The names of a damaged file may lead to the shape of something else.
    if (!isOrderOf(order, shape->second.size())) return std::nullopt;
    return order;
  }

  std::string fresh(const std::string& stem) {
    std::string name = stem;
    for (int i = 2; !names_.insert(name).second; ++i) name = stem + "_" + std::to_string(i);
    return name;
  }

  /// The node computes on the untransposed source from now on, and its old result is made by a Transpose
  /// behind it.
  void transposeResult(onnx::NodeProto& node, const Order& order) {
    const std::string result = node.output(0), inner = fresh(result + "_moved");
    node.set_output(0, inner);
    const auto shape = shapes_.find(result);
    if (shape != shapes_.end() && shape->second.size() == order.size())
      shapes_[inner] = permuted(shape->second, inverse(order));
    onnx::NodeProto transpose;
    transpose.set_op_type("Transpose");
    transpose.set_name(fresh(result + "_transpose"));
    transpose.add_input(inner);
    transpose.add_output(result);
    setAttribute(transpose, "perm", order);
    added_.push_back(transpose);
  }

  bool rewrite(onnx::NodeProto& node) {
    const std::string& type = node.op_type();
    if (node.output_size() == 0 || node.input_size() == 0) return false;
    if (type == "Transpose") return compose(node);
    if (isOneOf(type, binaryTypes())) return sinkThroughBinary(node);
    const auto order = orderBefore(node.input(0));
    if (!order) return false;
    if (isOneOf(type, unaryTypes())) return sinkThroughUnary(node, *order);
    if (isOneOf(type, reducingTypes()) || type == "Squeeze") return sinkThroughReduction(node, *order);
    if (type == "Concat") return sinkThroughConcat(node, *order);
    if (type == "Pad") return sinkThroughPad(node, *order);
    if (type == "Slice") return sinkThroughSlice(node, *order);
    if (type == "Flatten" || type == "Reshape") return absorbIntoWeights(node, *order);
    return false;
  }

  /// Transpose of a Transpose: one, or none.
  bool compose(onnx::NodeProto& node) {
    const auto shape = shapes_.find(node.output(0));
    if (shape == shapes_.end()) return false;
    const Order own = orderOf(node, shape->second.size());
    const auto before = orderBefore(node.input(0));
    if (!isOrderOf(own, before ? before->size() : shape->second.size())) return false;
    const Order whole = before ? permuted(*before, own) : own;
    if (!before && !isIdentity(whole)) return false;
    const std::string source = before ? transposeBefore(node.input(0))->input(0) : node.input(0);
    node.set_input(0, source);
    if (isIdentity(whole)) {
      if (isOutput(node.output(0))) {
        if (!before) return false;
        node.set_op_type("Identity");
        node.clear_attribute();
        return true;
      }
      const std::string gone = node.output(0);
      for (auto& reader : *graph_.mutable_node())
        for (auto& input : *reader.mutable_input())
          if (input == gone) input = source;
      return true;
    }
    setAttribute(node, "perm", whole);
    return true;
  }

  bool sinkThroughUnary(onnx::NodeProto& node, const Order& order) {
    if (node.output_size() > 1 && !node.output(1).empty()) return false;  // a mask
    node.set_input(0, transposeBefore(node.input(0))->input(0));
    transposeResult(node, order);
    return true;
  }

  bool sinkThroughBinary(onnx::NodeProto& node) {
    std::optional<Order> order;
    for (const auto& input : node.input())
      if (!order) order = orderBefore(input);
    if (!order) return false;
    for (const auto& input : node.input()) {
      const auto* constant = constantOf(input);
      const bool fits = constant && constant->data_type() == onnx::TensorProto::FLOAT &&
                        constant->dims_size() <= static_cast<int>(order->size());
      if (orderBefore(input) != order && !fits) return false;
    }
    std::vector<std::string> inputs;
    for (const auto& input : node.input())
      inputs.push_back(orderBefore(input) == order ? transposeBefore(input)->input(0)
                                                   : transposedConstant(input, inverse(*order)));
    for (int i = 0; i < node.input_size(); ++i) node.set_input(i, inputs[static_cast<size_t>(i)]);
    transposeResult(node, *order);
    return true;
  }

  /// An initializer or what a Constant node gives, or null.
  const onnx::TensorProto* constantOf(const std::string& tensor) const {
    if (const auto* initializer = findInitializer(graph_, tensor)) return initializer;
    const auto found = producer_.find(tensor);
    if (found == producer_.end() || found->second->op_type() != "Constant") return nullptr;
    const auto* value = findAttribute(*found->second, "value");
    return value && value->has_t() ? &value->t() : nullptr;
  }

  /// A copy with its axes (of which it may lack the first ones) in another order; a constant stays a
  /// constant.
  std::string transposedConstant(const std::string& tensor, const Order& order) {
    const auto* constant = constantOf(tensor);
    Shape shape(constant->dims().begin(), constant->dims().end());
    shape.insert(shape.begin(), order.size() - shape.size(), 1);
    const std::string name = fresh(tensor + "_transposed");
    auto moved = floatTensor(name, permuted(shape, order), transposed(floatValues(*constant), shape, order));
    if (findInitializer(graph_, tensor)) {
      *graph_.add_initializer() = std::move(moved);
      return name;
    }
    onnx::NodeProto node;
    node.set_op_type("Constant");
    node.set_name(name);
    node.add_output(name);
    auto& attribute = *node.add_attribute();
    attribute.set_name("value");
    attribute.set_type(onnx::AttributeProto::TENSOR);
    *attribute.mutable_t() = std::move(moved);
    constants_.push_back(node);
    return name;
  }

  /// Values that a node has as an attribute or as a constant input; nothing when the input is no constant.
  std::optional<std::vector<int64_t>> operand(const onnx::NodeProto& node, const char* name,
                                              int input) const {
    if (input >= node.input_size() || node.input(input).empty()) return intsAttribute(node, name, {});
    const auto* constant = constantOf(node.input(input));
    if (!constant) return std::nullopt;
    return intValues(*constant);
  }

  void setOperand(onnx::NodeProto& node, const char* name, int input, const std::vector<int64_t>& values) {
    if (input >= node.input_size()) {
      setAttribute(node, name, values);
      return;
    }
    const std::string tensor = fresh(node.output(0) + "_" + name);
    *graph_.add_initializer() = intTensor(tensor, {static_cast<int64_t>(values.size())}, values);
    node.set_input(input, tensor);
  }

  /// Axes of the transposed tensor as axes of its source.
  static std::optional<std::vector<int64_t>> mapped(std::vector<int64_t> axes, const Order& order) {
    const auto rank = static_cast<int64_t>(order.size());
    for (auto& axis : axes) {
      axis += axis < 0 ? rank : 0;
      if (axis < 0 || axis >= rank) return std::nullopt;
      axis = order[static_cast<size_t>(axis)];
    }
    return axes;
  }

  bool sinkThroughReduction(onnx::NodeProto& node, const Order& order) {
    const auto axes = operand(node, "axes", 1);
    if (!axes || axes->empty()) return false;
    auto source = mapped(*axes, order);
    if (!source) return false;
    std::sort(source->begin(), source->end());
    if (std::adjacent_find(source->begin(), source->end()) != source->end()) return false;  // an axis twice
    const bool keeps = node.op_type() != "Squeeze" && intAttribute(node, "keepdims", 1) != 0;
    // Without the axes that go, what is left of the order must count the axes of the smaller source.
    Order left = order;
    if (!keeps) {
      left.clear();
      for (const int64_t axis : order)
        if (!std::binary_search(source->begin(), source->end(), axis))
          left.push_back(axis - (std::lower_bound(source->begin(), source->end(), axis) - source->begin()));
    }
    node.set_input(0, transposeBefore(node.input(0))->input(0));
    setOperand(node, "axes", 1, *source);
    if (!isIdentity(left)) transposeResult(node, left);
    return true;
  }

  bool sinkThroughConcat(onnx::NodeProto& node, const Order& order) {
    for (const auto& input : node.input())
      if (orderBefore(input) != order) return false;
    const auto axis = mapped({intAttribute(node, "axis", 1)}, order);
    if (!axis) return false;
    for (auto& input : *node.mutable_input()) input = transposeBefore(input)->input(0);
    setAttribute(node, "axis", (*axis)[0]);
    transposeResult(node, order);
    return true;
  }

  bool sinkThroughPad(onnx::NodeProto& node, const Order& order) {
    const auto pads = operand(node, "pads", 1);
    const size_t rank = order.size();
    if (!pads || pads->size() != 2 * rank || node.input_size() > 3) return false;
    std::vector<int64_t> source(2 * rank);
    for (size_t i = 0; i < rank; ++i) {
      source[static_cast<size_t>(order[i])] = (*pads)[i];
      source[rank + static_cast<size_t>(order[i])] = (*pads)[rank + i];
    }
    node.set_input(0, transposeBefore(node.input(0))->input(0));
    setOperand(node, "pads", 1, source);
    transposeResult(node, order);
    return true;
  }

  bool sinkThroughSlice(onnx::NodeProto& node, const Order& order) {
    const auto starts = operand(node, "starts", 1);
    auto axes = operand(node, "axes", 3);
    if (!starts || !axes) return false;
    if (axes->empty())
      for (size_t i = 0; i < starts->size(); ++i) axes->push_back(static_cast<int64_t>(i));
    const auto source = mapped(*axes, order);
    if (!source) return false;
    const bool byInputs = node.input_size() > 1;
    if (byInputs && node.input_size() < 4) node.add_input("");
    node.set_input(0, transposeBefore(node.input(0))->input(0));
    if (byInputs)
      setOperand(node, "axes", 3, *source);
    else
      setAttribute(node, "axes", *source);
    transposeResult(node, order);
    return true;
  }

  /// A transposed picture that becomes one row: where it is one pixel or one channel the order of its values
  /// is the same; else the weights behind it can take the other order.
  bool absorbIntoWeights(onnx::NodeProto& node, const Order& order) {
    const std::string picture = node.input(0), row = node.output(0);
    const auto before = shapes_.find(transposeBefore(picture)->input(0)), after = shapes_.find(picture);
    const auto flat = shapes_.find(row);
    if (before == shapes_.end() || after == shapes_.end() || flat == shapes_.end()) return false;
    const Shape& source = before->second;
    if (source.size() != order.size() || order[0] != 0 || flat->second.size() != 2 ||
        flat->second[0] != source[0])
      return false;
    Order seen;  // axes that are more than one value long, in the order in which they are flattened
    for (size_t i = 1; i < order.size(); ++i)
      if (source[static_cast<size_t>(order[i])] != 1) seen.push_back(order[i]);
    if (!std::is_sorted(seen.begin(), seen.end()) && !permuteReaders(row, source, order)) return false;
    node.set_input(0, transposeBefore(picture)->input(0));
    if (node.op_type() == "Reshape") {  // its target may copy sizes of the transposed picture
      node.set_op_type("Flatten");
      node.mutable_input()->DeleteSubrange(1, node.input_size() - 1);
      node.clear_attribute();
    }
    return true;
  }

  /// Weights of all that read a row, put into the order of the source's values; false when somebody else
  /// reads it.
  bool permuteReaders(const std::string& row, const Shape& source, const Order& order) {
    std::vector<onnx::NodeProto*> readers;
    if (isOutput(row)) return false;
    for (auto& node : *graph_.mutable_node()) {
      if (std::count(node.input().begin(), node.input().end(), row) == 0) continue;
      const bool product =
          node.op_type() == "MatMul" || (node.op_type() == "Gemm" && intAttribute(node, "transA", 0) == 0);
      const auto* weights =
          product && node.input(0) == row ? findInitializer(graph_, node.input(1)) : nullptr;
      if (!weights || weights->dims_size() != 2 || weights->data_type() != onnx::TensorProto::FLOAT)
        return false;
      readers.push_back(&node);
    }
    for (auto* node : readers) {
      const auto* weights = findInitializer(graph_, node->input(1));
      const bool outFirst = node->op_type() == "Gemm" && intAttribute(*node, "transB", 0) != 0;
      const int64_t out = weights->dims(outFirst ? 0 : 1);
      // The row's axis of the weights, unfolded into the transposed picture, goes back to the source's order.
      Shape picture = permuted(source, order);
      Order back = inverse(order);
      if (outFirst) {
        picture[0] = out;  // in the batch's place
      } else {
        picture.erase(picture.begin());
        picture.push_back(out);
        back.erase(back.begin());
        for (auto& axis : back) --axis;
        back.push_back(static_cast<int64_t>(back.size()));
      }
      const std::string name = fresh(weights->name() + "_channels_first");
      auto moved = floatTensor(name, {weights->dims().begin(), weights->dims().end()},
                               transposed(floatValues(*weights), picture, back));
      *graph_.add_initializer() = std::move(moved);
      node->set_input(1, name);
    }
    return true;
  }

  onnx::GraphProto& graph_;
  ShapeMap shapes_;
  std::set<std::string> names_;
  std::map<std::string, onnx::NodeProto*> producer_;
  std::vector<onnx::NodeProto> added_;      // Transposes, to stand behind what they read
  std::vector<onnx::NodeProto> constants_;  // to stand before all else
};

}  // namespace

void sinkTransposes(onnx::ModelProto& model) {
  const auto& nodes = model.graph().node();
  if (std::none_of(nodes.begin(), nodes.end(),
                   [](const auto& node) { return node.op_type() == "Transpose"; }))
    return;
  model.mutable_graph()->clear_value_info();
  Sinking sinking(model);
  while (sinking.step()) {
  }
}

}  // namespace rdi::graph
