// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/constant_folding.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
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

using Type = onnx::TensorProto::DataType;

constexpr size_t kMostValues = size_t{1} << 24;  // of a result that may be larger than its operands
constexpr double kLargestWhole = static_cast<double>(int64_t{1} << 53);  // exact in a double
constexpr size_t kMostAxes = 16;
constexpr int64_t kMostElements = int64_t{1} << 40;  // products of sizes stay far from overflow

// A tensor known ahead. Doubles hold every float32 and every whole number that a shape can need.
struct Value {
  Type type = onnx::TensorProto::FLOAT;
  Shape shape;
  std::vector<double> values;
  bool trained = false;  // depends on an initializer, which training moves, and not on constants alone
};

using Maybe = std::optional<Value>;
using Operands = std::vector<const Value*>;  // null: an input left out

int64_t elementCount(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

bool isWhole(Type type) {
  return type == onnx::TensorProto::INT64 || type == onnx::TensorProto::INT32 ||
         type == onnx::TensorProto::BOOL;
}

/// Whole numbers of a value; those that a double cannot hold exactly are refused when values are made.
std::vector<int64_t> ints(const Value& value) { return {value.values.begin(), value.values.end()}; }

bool isExact(const Value& value) {
  return !isWhole(value.type) || std::all_of(value.values.begin(), value.values.end(),
                                             [](double number) { return std::abs(number) <= kLargestWhole; });
}

Maybe fromProto(const onnx::TensorProto& tensor) {
  Value value;
  value.type = static_cast<Type>(tensor.data_type());
  value.shape = Shape(tensor.dims().begin(), tensor.dims().end());
  if (value.type == onnx::TensorProto::FLOAT) {
    const auto floats = floatValues(tensor);
    value.values.assign(floats.begin(), floats.end());
  } else if (value.type == onnx::TensorProto::INT64 || value.type == onnx::TensorProto::INT32) {
    const auto wholes = intValues(tensor);
    value.values.assign(wholes.begin(), wholes.end());
  } else {
    return std::nullopt;
  }
  if (!isExact(value)) return std::nullopt;
  return value;
}

std::optional<onnx::TensorProto> toProto(const std::string& name, const Value& value) {
  if (value.type == onnx::TensorProto::FLOAT)
    return floatTensor(name, value.shape, {value.values.begin(), value.values.end()});
  if (value.type == onnx::TensorProto::INT64)
    return intTensor(name, value.shape, {value.values.begin(), value.values.end()});
  return std::nullopt;
}

/// Axes that older opsets give as an attribute and newer ones as an input; counted from the front.
std::vector<int64_t> axesOf(const onnx::NodeProto& node, const Operands& in, size_t input, size_t rank) {
  auto axes = in.size() > input && in[input] ? ints(*in[input]) : intsAttribute(node, "axes", {});
  for (auto& axis : axes) axis += axis < 0 ? static_cast<int64_t>(rank) : 0;
  return axes;
}

Value withShape(const Value& value, Shape shape) {
  return {value.type, std::move(shape), value.values, false};
}

// ---- Operators; nothing when the operands are not what is expected ----

Maybe reshape(const onnx::NodeProto& node, const Operands& in) {
  if (in.size() < 2 || !in[1] || intAttribute(node, "allowzero", 0) != 0) return std::nullopt;
  Shape shape = ints(*in[1]);
  if (shape.size() > kMostAxes) return std::nullopt;
  int64_t known = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) {
      if (i >= in[0]->shape.size()) return std::nullopt;
      shape[i] = in[0]->shape[i];
    }
    if (shape[i] > kMostElements / known) return std::nullopt;
    if (shape[i] > 0) known *= shape[i];
  }
  const auto count = static_cast<int64_t>(in[0]->values.size());
  for (auto& size : shape)
    if (size < 0) size = known > 0 ? count / known : 0;
  if (elementCount(shape) != count) return std::nullopt;
  return withShape(*in[0], shape);
}

Maybe squeeze(const onnx::NodeProto& node, const Operands& in) {
  const auto axes = axesOf(node, in, 1, in[0]->shape.size());
  if (axes.size() > kMostAxes) return std::nullopt;
  Shape shape;
  for (size_t i = 0; i < in[0]->shape.size(); ++i) {
    const bool named = std::count(axes.begin(), axes.end(), static_cast<int64_t>(i)) != 0;
    if (axes.empty() ? in[0]->shape[i] != 1 : !named) shape.push_back(in[0]->shape[i]);
  }
  if (elementCount(shape) != static_cast<int64_t>(in[0]->values.size())) return std::nullopt;
  return withShape(*in[0], shape);
}

Maybe unsqueeze(const onnx::NodeProto& node, const Operands& in) {
  const size_t added = in.size() > 1 && in[1] ? in[1]->values.size() : intsAttribute(node, "axes", {}).size();
  const size_t rank = in[0]->shape.size() + added;
  if (rank > kMostAxes) return std::nullopt;
  const auto axes = axesOf(node, in, 1, rank);
  Shape shape;
  size_t next = 0;
  for (size_t i = 0; i < rank; ++i) {
    const bool fresh = std::count(axes.begin(), axes.end(), static_cast<int64_t>(i)) != 0;
    if (!fresh && next >= in[0]->shape.size()) return std::nullopt;
    shape.push_back(fresh ? 1 : in[0]->shape[next++]);
  }
  if (next != in[0]->shape.size()) return std::nullopt;
  return withShape(*in[0], shape);
}

Maybe flatten(const onnx::NodeProto& node, const Operands& in) {
  const auto rank = static_cast<int64_t>(in[0]->shape.size());
  int64_t axis = intAttribute(node, "axis", 1);
  axis += axis < 0 ? rank : 0;
  if (axis < 0 || axis > rank) return std::nullopt;
  const auto split = in[0]->shape.begin() + axis;
  return withShape(*in[0],
                   {elementCount({in[0]->shape.begin(), split}), elementCount({split, in[0]->shape.end()})});
}

Maybe cast(const onnx::NodeProto& node, const Operands& in) {
  Value result = *in[0];
  result.type = static_cast<Type>(intAttribute(node, "to", 0));
  if (result.type != onnx::TensorProto::FLOAT && !isWhole(result.type)) return std::nullopt;
  for (double& value : result.values) {
    if (result.type == onnx::TensorProto::BOOL)
      value = value != 0;
    else if (isWhole(result.type))
      value = std::trunc(value);
    else
      value = static_cast<float>(value);
  }
  return result;
}

/// Element by element with numpy's broadcasting.
Maybe elementwise(const onnx::NodeProto& node, const Operands& in) {
  const Value &a = *in[0], &b = *in[1];
  if (a.type != b.type) return std::nullopt;
  const size_t rank = std::max(a.shape.size(), b.shape.size());
  const auto padded = [&](Shape shape) {
    shape.insert(shape.begin(), rank - shape.size(), 1);
    return shape;
  };
  const Shape left = padded(a.shape), right = padded(b.shape);
  Value result{a.type, Shape(rank), {}, false};
  size_t most = 1;
  for (size_t i = 0; i < rank; ++i) {
    if (left[i] != right[i] && left[i] != 1 && right[i] != 1) return std::nullopt;
    result.shape[i] = left[i] == 1 ? right[i] : left[i];
    if (static_cast<size_t>(result.shape[i]) > kMostValues / std::max<size_t>(most, 1)) return std::nullopt;
    most *= static_cast<size_t>(result.shape[i]);
  }
  const std::string& op = node.op_type();
  const auto count = static_cast<size_t>(elementCount(result.shape));
  for (size_t i = 0; i < count; ++i) {
    size_t rest = i, atLeft = 0, atRight = 0, stepLeft = 1, stepRight = 1;
    for (size_t axis = rank; axis-- > 0;) {
      const auto position = rest % static_cast<size_t>(result.shape[axis]);
      rest /= static_cast<size_t>(result.shape[axis]);
      if (left[axis] != 1) atLeft += position * stepLeft;
      if (right[axis] != 1) atRight += position * stepRight;
      stepLeft *= static_cast<size_t>(left[axis]);
      stepRight *= static_cast<size_t>(right[axis]);
    }
    const double x = a.values[atLeft], y = b.values[atRight];
    if (op == "Div" && isWhole(a.type) && y == 0) return std::nullopt;
    double value = op == "Add" ? x + y : op == "Sub" ? x - y : op == "Mul" ? x * y : x / y;
    if (isWhole(a.type)) value = std::trunc(value);
    result.values.push_back(isWhole(a.type) ? value : static_cast<float>(value));
  }
  return result;
}

Maybe unary(const onnx::NodeProto& node, const Operands& in) {
  Value result = *in[0];
  for (double& value : result.values) {
    const std::string& op = node.op_type();
    value = op == "Sqrt"         ? std::sqrt(value)
            : op == "Neg"        ? -value
            : op == "Reciprocal" ? 1 / value
            : op == "Floor"      ? std::floor(value)
            : op == "Ceil"       ? std::ceil(value)
                                 : value;
    if (result.type == onnx::TensorProto::FLOAT) value = static_cast<float>(value);
  }
  return result;
}

/// Along axis 0 alone, which is how shapes are taken apart.
Maybe gather(const onnx::NodeProto& node, const Operands& in) {
  if (intAttribute(node, "axis", 0) != 0 || in[0]->shape.empty()) return std::nullopt;
  const int64_t rows = in[0]->shape[0];
  const size_t width = rows > 0 ? in[0]->values.size() / static_cast<size_t>(rows) : 0;
  if (in[1]->values.size() > kMostValues / std::max<size_t>(width, 1)) return std::nullopt;
  Value result{in[0]->type, in[1]->shape, {}, false};
  result.shape.insert(result.shape.end(), in[0]->shape.begin() + 1, in[0]->shape.end());
  for (int64_t index : ints(*in[1])) {
    index += index < 0 ? rows : 0;
    if (index < 0 || index >= rows) return std::nullopt;
    const auto row = in[0]->values.begin() + static_cast<long>(static_cast<size_t>(index) * width);
    result.values.insert(result.values.end(), row, row + static_cast<long>(width));
  }
  return result;
}

/// Of vectors.
Maybe concat(const onnx::NodeProto&, const Operands& in) {
  Value result{in[0]->type, {0}, {}, false};
  for (const Value* part : in) {
    if (!part || part->shape.size() != 1 || part->type != result.type) return std::nullopt;
    if (part->values.size() > kMostValues - result.values.size()) return std::nullopt;
    result.values.insert(result.values.end(), part->values.begin(), part->values.end());
  }
  result.shape[0] = static_cast<int64_t>(result.values.size());
  return result;
}

/// Of a vector, forward.
Maybe slice(const onnx::NodeProto& node, const Operands& in) {
  if (in[0]->shape.size() != 1) return std::nullopt;
  const auto one = [&](const char* name, size_t input, int64_t fallback) {
    const auto values =
        in.size() > input && in[input] ? ints(*in[input]) : intsAttribute(node, name, {fallback});
    return values.size() == 1 ? values[0] : std::numeric_limits<int64_t>::min();
  };
  const int64_t size = in[0]->shape[0], step = one("steps", 4, 1);
  int64_t start = one("starts", 1, 0), end = one("ends", 2, size);
  if (step < 1) return std::nullopt;
  start = std::clamp<int64_t>(start < 0 ? start + size : start, 0, size);
  end = std::clamp<int64_t>(end < 0 ? end + size : end, 0, size);
  Value result{in[0]->type, {0}, {}, false};
  for (int64_t i = start; i < end; i += step) result.values.push_back(in[0]->values[static_cast<size_t>(i)]);
  result.shape[0] = static_cast<int64_t>(result.values.size());
  return result;
}

Maybe transpose(const onnx::NodeProto& node, const Operands& in) {
  const size_t rank = in[0]->shape.size();
  std::vector<int64_t> order(rank);
  for (size_t i = 0; i < rank; ++i) order[i] = static_cast<int64_t>(rank - 1 - i);
  order = intsAttribute(node, "perm", order);
  if (order.size() != rank) return std::nullopt;
  std::vector<size_t> steps(rank, 1);
  for (size_t i = rank; i-- > 1;) steps[i - 1] = steps[i] * static_cast<size_t>(in[0]->shape[i]);
  Value result{in[0]->type, Shape(rank), std::vector<double>(in[0]->values.size()), false};
  for (size_t i = 0; i < rank; ++i) {
    if (order[i] < 0 || order[i] >= static_cast<int64_t>(rank)) return std::nullopt;
    result.shape[i] = in[0]->shape[static_cast<size_t>(order[i])];
  }
  for (size_t i = 0; i < result.values.size(); ++i) {
    size_t rest = i, at = 0;
    for (size_t axis = rank; axis-- > 0;) {
      at += rest % static_cast<size_t>(result.shape[axis]) * steps[static_cast<size_t>(order[axis])];
      rest /= static_cast<size_t>(result.shape[axis]);
    }
    result.values[i] = in[0]->values[at];
  }
  return result;
}

Maybe constantOfShape(const onnx::NodeProto& node, const Operands& in) {
  Value result{onnx::TensorProto::FLOAT, ints(*in[0]), {}, false};
  double filling = 0;
  if (const auto* attribute = findAttribute(node, "value")) {
    const Maybe value = fromProto(attribute->t());
    if (!value || value->values.size() != 1) return std::nullopt;
    result.type = value->type;
    filling = value->values[0];
  }
  constexpr int64_t kMost = 1 << 20;
  int64_t count = 1;
  for (const int64_t size : result.shape) {
    if (size < 0 || size > kMost || count * size > kMost) return std::nullopt;
    count *= size;
  }
  result.values.assign(static_cast<size_t>(count), filling);
  return result;
}

Maybe reduceProd(const onnx::NodeProto& node, const Operands& in) {
  if (in[0]->shape.size() != 1) return std::nullopt;
  double product = 1;
  for (const double value : in[0]->values) product *= value;
  const bool keeps = intAttribute(node, "keepdims", 1) != 0;
  return Value{in[0]->type, keeps ? Shape{1} : Shape{}, {product}, false};
}

struct Operator {
  const char* name;
  size_t operands;  // at least
  Maybe (*compute)(const onnx::NodeProto&, const Operands&);
};

constexpr Operator kOperators[] = {
    {"Add", 2, elementwise},
    {"Sub", 2, elementwise},
    {"Mul", 2, elementwise},
    {"Div", 2, elementwise},
    {"Sqrt", 1, unary},
    {"Neg", 1, unary},
    {"Reciprocal", 1, unary},
    {"Floor", 1, unary},
    {"Ceil", 1, unary},
    {"Identity", 1, unary},
    {"Cast", 1, cast},
    {"Reshape", 2, reshape},
    {"Squeeze", 1, squeeze},
    {"Unsqueeze", 1, unsqueeze},
    {"Flatten", 1, flatten},
    {"Transpose", 1, transpose},
    {"Gather", 2, gather},
    {"Concat", 1, concat},
    {"Slice", 1, slice},
    {"ConstantOfShape", 1, constantOfShape},
    {"ReduceProd", 1, reduceProd},
};

/// Values of everything that can be known for one batch size.
class Evaluator {
public:
  Evaluator(const onnx::ModelProto& model, int64_t batch) : shapes_(knownShapes(model, batch)) {
    for (const auto& tensor : model.graph().initializer()) initializers_[tensor.name()] = &tensor;
    for (const auto& node : model.graph().node()) {
      if (node.output_size() == 0) continue;
      Maybe value = evaluate(node);
      if (value && isExact(*value)) values_[node.output(0)] = *std::move(value);
    }
  }

  const Value* find(const std::string& tensor) {
    const auto found = values_.find(tensor);
    if (found != values_.end()) return &found->second;
    const auto initializer = initializers_.find(tensor);
    if (initializer == initializers_.end()) return nullptr;
    Maybe value = fromProto(*initializer->second);
    if (!value) return nullptr;
    value->trained = value->type == onnx::TensorProto::FLOAT;
    return &(values_[tensor] = *std::move(value));
  }
  Shape shape(const std::string& tensor) const {
    const auto found = shapes_.find(tensor);
    return found == shapes_.end() ? Shape() : found->second;
  }

private:
  bool isKnown(const std::string& tensor) const {
    return values_.count(tensor) != 0 || initializers_.count(tensor) != 0;
  }

  Maybe evaluate(const onnx::NodeProto& node) {
    if (!node.domain().empty() && node.domain() != "ai.onnx") return std::nullopt;
    if (node.op_type() == "Constant") return constant(node);
    if (node.op_type() == "Shape") return shapeOf(node);
    if (node.op_type() == "Size") return sizeOf(node);
    const auto entry = std::find_if(std::begin(kOperators), std::end(kOperators),
                                    [&](const Operator& op) { return node.op_type() == op.name; });
    if (entry == std::end(kOperators) || node.output_size() != 1) return std::nullopt;
    for (const auto& input : node.input())
      if (!input.empty() && !isKnown(input)) return std::nullopt;
    if (static_cast<size_t>(node.input_size()) < entry->operands) return std::nullopt;
    Operands operands;
    bool trained = false;
    for (const auto& input : node.input()) {
      operands.push_back(input.empty() ? nullptr : find(input));
      const bool needed = !input.empty() || operands.size() <= entry->operands;
      if (needed && operands.back() == nullptr) return std::nullopt;
      if (operands.back() == nullptr) continue;
      if (operands.back()->shape.size() > kMostAxes) return std::nullopt;
      trained = trained || operands.back()->trained;
    }
    Maybe result = entry->compute(node, operands);
    if (result) result->trained = trained;
    return result;
  }

  static Maybe constant(const onnx::NodeProto& node) {
    if (const auto* value = findAttribute(node, "value")) return fromProto(value->t());
    constexpr auto kInt = onnx::TensorProto::INT64;
    constexpr auto kFloat = onnx::TensorProto::FLOAT;
    if (const auto* one = findAttribute(node, "value_int"))
      return Value{kInt, {}, {static_cast<double>(one->i())}, false};
    if (const auto* many = findAttribute(node, "value_ints"))
      return Value{kInt, {many->ints_size()}, {many->ints().begin(), many->ints().end()}, false};
    if (const auto* one = findAttribute(node, "value_float")) return Value{kFloat, {}, {one->f()}, false};
    if (const auto* many = findAttribute(node, "value_floats"))
      return Value{kFloat, {many->floats_size()}, {many->floats().begin(), many->floats().end()}, false};
    return std::nullopt;
  }

  Maybe shapeOf(const onnx::NodeProto& node) const {
    if (node.input_size() == 0 || shapes_.count(node.input(0)) == 0) return std::nullopt;
    const Shape found = shape(node.input(0));
    const auto rank = static_cast<int64_t>(found.size());
    const auto bound = [&](const char* name, int64_t fallback) {
      const int64_t value = intAttribute(node, name, fallback);
      return std::clamp<int64_t>(value < 0 ? value + rank : value, 0, rank);
    };
    const int64_t start = bound("start", 0), end = std::max(bound("end", rank), start);
    return Value{
        onnx::TensorProto::INT64, {end - start}, {found.begin() + start, found.begin() + end}, false};
  }

  Maybe sizeOf(const onnx::NodeProto& node) const {
    if (node.input_size() == 0 || shapes_.count(node.input(0)) == 0) return std::nullopt;
    double count = 1;
    for (const int64_t size : shape(node.input(0))) count *= static_cast<double>(size);
    return Value{onnx::TensorProto::INT64, {}, {count}, false};
  }

  ShapeMap shapes_;
  std::map<std::string, const onnx::TensorProto*> initializers_;
  std::map<std::string, Value> values_;
};

bool same(const Value& a, const Value& b) {
  return a.type == b.type && a.shape == b.shape && a.values == b.values;
}

/// Target of a Reshape that is `one` at batch 1 and `two` at batch 2, for any batch; nothing where no target
/// can say it.
Maybe openTarget(const Value& one, const Value& two, const Shape& source) {
  if (one.shape != two.shape || one.shape.size() != 1) return std::nullopt;
  Value target = one;
  bool free = std::count(one.values.begin(), one.values.end(), -1.0) == 0;
  for (size_t i = 0; i < one.values.size(); ++i) {
    if (one.values[i] == two.values[i]) continue;
    if (i == 0 && !source.empty() && one.values[0] == static_cast<double>(source[0])) {
      target.values[0] = 0;  // as many as the source has
    } else if (free) {
      target.values[i] = -1;
      free = false;
    } else {
      return std::nullopt;
    }
  }
  return target;
}

class Folding {
public:
  explicit Folding(onnx::ModelProto& model) : model_(model), one_(model, 1), two_(model, 2) {
    for (const auto& tensor : model.graph().initializer()) names_.insert(tensor.name());
    for (const auto& node : model.graph().node()) {
      names_.insert(node.output().begin(), node.output().end());
      if (node.op_type() == "Constant") held_.insert(node.output().begin(), node.output().end());
    }
    for (const auto& tensor : model.graph().initializer()) held_.insert(tensor.name());
  }

  /// True when an operand was replaced.
  bool run() {
    auto& graph = *model_.mutable_graph();
    for (auto& node : *graph.mutable_node())
      for (int i = 0; i < node.input_size(); ++i) foldInput(node, i);
    if (constants_.empty()) return changed_;
    for (auto& node : *graph.mutable_node()) *constants_.Add() = std::move(node);
    constants_.Swap(graph.mutable_node());
    return changed_;
  }

private:
  void foldInput(onnx::NodeProto& node, int input) {
    const std::string name = node.input(input);
    if (name.empty() || held_.count(name)) return;
    const Value *one = one_.find(name), *two = two_.find(name);
    if (!one || !two) return;
    if (same(*one, *two)) {
      replace(node, input, *one, name + "_folded");
    } else if (node.op_type() == "Reshape" && input == 1) {
      const Maybe target = openTarget(*one, *two, one_.shape(node.input(0)));
      if (target) replace(node, input, *target, name + "_target_of_" + node.output(0));
    }
  }

  void replace(onnx::NodeProto& node, int input, const Value& value, const std::string& wanted) {
    if (added_.count(wanted) == 0) {
      std::string name = wanted;
      for (int i = 2; names_.count(name); ++i) name = wanted + "_" + std::to_string(i);
      auto tensor = toProto(name, value);
      if (!tensor) return;
      if (value.trained || value.type != onnx::TensorProto::FLOAT)
        *model_.mutable_graph()->add_initializer() = *std::move(tensor);
      else
        addConstantNode(*tensor);
      names_.insert(name);
      added_[wanted] = name;
    }
    node.set_input(input, added_.at(wanted));
    changed_ = true;
  }

  /// What no training moves stays what it was, a constant.
  void addConstantNode(const onnx::TensorProto& tensor) {
    auto& node = *constants_.Add();
    node.set_op_type("Constant");
    node.set_name(tensor.name());
    node.add_output(tensor.name());
    auto& attribute = *node.add_attribute();
    attribute.set_name("value");
    attribute.set_type(onnx::AttributeProto::TENSOR);
    *attribute.mutable_t() = tensor;
  }

  onnx::ModelProto& model_;
  Evaluator one_, two_;
  std::set<std::string> names_, held_;
  std::map<std::string, std::string> added_;  // wanted name -> name given
  google::protobuf::RepeatedPtrField<onnx::NodeProto> constants_;
  bool changed_ = false;
};

/// True when some operator but Constant has nothing but constants to read, or asks for a shape.
bool hasSomethingToFold(const onnx::GraphProto& graph) {
  std::set<std::string> constant;
  for (const auto& tensor : graph.initializer()) constant.insert(tensor.name());
  for (const auto& node : graph.node()) {
    if (node.op_type() == "Constant") {
      constant.insert(node.output().begin(), node.output().end());
      continue;
    }
    if (node.op_type() == "Shape" || node.op_type() == "Size") return true;
    const bool known = std::all_of(node.input().begin(), node.input().end(), [&](const auto& input) {
      return input.empty() || constant.count(input) != 0;
    });
    if (known && node.input_size() > 0) return true;
  }
  return false;
}

}  // namespace

void foldConstants(onnx::ModelProto& model) {
  // What was folded lets more shapes be inferred; each round folds one more chain of them at least.
  constexpr int kMostRounds = 64;
  for (int round = 0; round < kMostRounds && hasSomethingToFold(model.graph()); ++round) {
    const bool changed = Folding(model).run();
    removeUnused(*model.mutable_graph());
    if (!changed) return;
  }
}

}  // namespace rdi::graph
