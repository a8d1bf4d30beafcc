// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/shapes.hpp"

#include <onnx/shape_inference/implementation.h>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::graph {

namespace {

// Complete shape of a value, or false when a dimension is unknown.
bool completeShape(const onnx::ValueInfoProto& value, Shape& shape) {
  if (!value.type().has_tensor_type() || !value.type().tensor_type().has_shape()) return false;
  shape.clear();
  for (const auto& dim : value.type().tensor_type().shape().dim()) {
    if (!dim.has_dim_value()) return false;
    shape.push_back(dim.dim_value());
  }
  return true;
}

onnx::ValueInfoProto& inputOf(onnx::ModelProto& model) {
  const std::string name = inputName(model);
  for (auto& input : *model.mutable_graph()->mutable_input())
    if (input.name() == name) return input;
  throw Error("the model has no input");
}

void forgetInferred(onnx::ModelProto& model) {
  model.mutable_graph()->clear_value_info();
  for (auto& output : *model.mutable_graph()->mutable_output())
    output.mutable_type()->mutable_tensor_type()->clear_shape();
}

constexpr int64_t kLargestDimension = int64_t{1} << 28;  // see checkSize

void checkDimension(const std::string& tensor, int64_t size) {
  if (size > kLargestDimension)
    throw Error(
        text("tensor '", tensor, "' has a dimension of ", size, ", expected at most ", kLargestDimension));
}

// The input that holds a shape, repeats or pads; -1 where there is none.
int shapeInputOf(const std::string& opType) {
  if (opType == "ConstantOfShape") return 0;
  const bool hasOne = opType == "Reshape" || opType == "Expand" || opType == "Tile" || opType == "Pad";
  return hasOne ? 1 : -1;
}

// ONNX's inference counts some dimensions down in steps of a stride: those that a file merely claims must be
// within reason before it begins.
void checkClaimedDimensions(const onnx::ModelProto& model) {
  const auto& graph = model.graph();
  for (const auto* values : {&graph.input(), &graph.value_info(), &graph.output()})
    for (const auto& value : *values)
      for (const auto& dim : value.type().tensor_type().shape().dim())
        checkDimension(value.name(), dim.dim_value());
  std::map<std::string, const onnx::TensorProto*> constants;
  for (const auto& tensor : graph.initializer()) constants[tensor.name()] = &tensor;
  for (const auto& node : graph.node()) {
    if (node.op_type() == "Constant" && node.output_size() == 1)
      if (const auto* value = findAttribute(node, "value"); value != nullptr && value->has_t())
        constants[node.output(0)] = &value->t();
    const int input = shapeInputOf(node.op_type());
    if (input < 0 || input >= node.input_size() || node.output_size() == 0) continue;
    const auto known = constants.find(node.input(input));
    if (known == constants.end() || known->second->data_type() != onnx::TensorProto::INT64) continue;
    for (const int64_t size : intValues(*known->second)) checkDimension(node.output(0), size);
  }
}

int weightsInputOf(const std::string& opType) {
  if (opType == "Conv" || opType == "ConvTranspose" || opType == "ConvInteger") return 1;
  return opType == "QLinearConv" ? 3 : -1;
}

// Writes the kernel of convolutions that leave it to their weights. ONNX's inference then compares its
// dimensions with the input's, which it reads past otherwise.
void stateKernels(onnx::ModelProto& model) {
  std::map<std::string, Shape> constants;
  for (const auto& tensor : model.graph().initializer())
    constants[tensor.name()] = Shape(tensor.dims().begin(), tensor.dims().end());
  for (auto& node : *model.mutable_graph()->mutable_node()) {
    if (node.op_type() == "Constant" && node.output_size() == 1)
      if (const auto* value = findAttribute(node, "value"); value != nullptr && value->has_t())
        constants[node.output(0)] = Shape(value->t().dims().begin(), value->t().dims().end());
    if (node.op_type() == "Identity" && node.input_size() == 1 && node.output_size() == 1)
      if (const auto known = constants.find(node.input(0)); known != constants.end())
        constants[node.output(0)] = Shape(known->second);
    const int weights = weightsInputOf(node.op_type());
    if (weights < 0 || findAttribute(node, "kernel_shape") != nullptr) continue;
    const auto known = weights < node.input_size() ? constants.find(node.input(weights)) : constants.end();
    if (known == constants.end() || known->second.size() < 3)
      throw Error(
          text("node '", node.name(), "' (", node.op_type(),
               ") states no kernel_shape, and its weights are no constant of three or more dimensions that "
               "would tell"));
    setAttribute(node, "kernel_shape", Shape(known->second.begin() + 2, known->second.end()));
  }
}

// Every shape that follows from the inputs'; writes them into the model too.
ShapeMap inferFromInputs(onnx::ModelProto& model) {
  checkClaimedDimensions(model);
  stateKernels(model);
  try {
    const onnx::ShapeInferenceOptions options(/*check_type=*/true, /*strict_mode=*/1, /*data_prop=*/true);
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), options);
  } catch (const std::exception& error) {
    throw Error(text("the shapes of the graph do not fit together: ", onOneLine(error.what())));
  }
  ShapeMap shapes = recordedShapes(model);
  for (const auto& node : model.graph().node())
    for (const auto& output : node.output())
      if (!output.empty() && shapes.count(output) == 0)
        throw Error(text("the shape of '", output, "', an output of node '", node.name(), "' (",
                         node.op_type(),
                         "), cannot be inferred; every dimension but the batch must be fixed"));
  return shapes;
}

}  // namespace

void setBatch(onnx::ModelProto& model, int64_t batch) {
  auto* shape = inputOf(model).mutable_type()->mutable_tensor_type()->mutable_shape();
  if (shape->dim_size() > 0) shape->mutable_dim(0)->set_dim_value(batch);
  forgetInferred(model);
}

ShapeMap inferShapes(const onnx::ModelProto& model, int64_t batch) {
  onnx::ModelProto copy = model;
  setBatch(copy, batch);
  return inferFromInputs(copy);
}

ShapeMap knownShapes(const onnx::ModelProto& model, int64_t batch) {
  onnx::ModelProto copy = model;
  setBatch(copy, batch);
  checkClaimedDimensions(copy);
  stateKernels(copy);
  try {
    const onnx::ShapeInferenceOptions options(/*check_type=*/false, /*strict_mode=*/0, /*data_prop=*/true);
    onnx::shape_inference::InferShapes(copy, onnx::OpSchemaRegistry::Instance(), options);
  } catch (const std::exception&) {
    forgetInferred(copy);  // a file that fixes its batch may not fit another one at all
  }
  return recordedShapes(copy);
}

void checkRecordedShapes(const onnx::ModelProto& model) {
  const ShapeMap recorded = recordedShapes(model);
  const auto require = [&](const std::string& tensor) {
    if (!tensor.empty() && recorded.count(tensor) == 0)
      throw Error(text("the shape of tensor '", tensor, "' is not recorded; the file is damaged"));
  };
  for (const auto& input : model.graph().input()) require(input.name());
  for (const auto& output : model.graph().output()) require(output.name());
  onnx::ModelProto copy = model;
  forgetInferred(copy);
  const ShapeMap inferred = inferFromInputs(copy);
  for (const auto& node : model.graph().node())
    for (const auto& output : node.output()) {
      require(output);
      if (!output.empty() && recorded.at(output) != inferred.at(output))
        throw Error(text("tensor '", output, "' is recorded as ", toString(recorded.at(output)), " but is ",
                         toString(inferred.at(output)), "; the file is damaged"));
    }
}

ShapeMap recordedShapes(const onnx::ModelProto& model) {
  ShapeMap shapes;
  const auto& graph = model.graph();
  Shape shape;
  for (const auto* values : {&graph.input(), &graph.value_info(), &graph.output()})
    for (const auto& value : *values)
      if (completeShape(value, shape)) shapes[value.name()] = shape;
  for (const auto& tensor : graph.initializer())
    shapes[tensor.name()] = Shape(tensor.dims().begin(), tensor.dims().end());
  return shapes;
}

Shape inputShape(const onnx::ModelProto& model) {
  const std::string name = inputName(model);
  for (const auto& input : model.graph().input()) {
    if (input.name() != name) continue;
    const auto& dims = input.type().tensor_type().shape().dim();
    if (dims.size() != 4) break;
    Shape shape;
    for (int i = 1; i < 4; ++i) shape.push_back(dims[i].has_dim_value() ? dims[i].dim_value() : -1);
    return shape;
  }
  throw Error(text("input '", name, "' must be N x C x H x W"));
}

int64_t classCount(const onnx::ModelProto& model) {
  if (model.graph().output_size() == 0) throw Error("the model has no output");
  const std::string& name = model.graph().output(0).name();
  const auto recorded = recordedShapes(model);
  if (const auto found = recorded.find(name); found != recorded.end()) return found->second.back();
  return inferShapes(model).at(name).back();
}

void declareTensor(onnx::ValueInfoProto& value, const std::string& name, const Shape& shape) {
  value.Clear();
  value.set_name(name);
  auto& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape();  // a scalar has one, too
  for (const int64_t dim : shape) type.mutable_shape()->add_dim()->set_dim_value(dim);
}

std::string toString(const Shape& shape) {
  std::string result;
  for (size_t i = 0; i < shape.size(); ++i) result += (i ? "x" : "") + std::to_string(shape[i]);
  return result.empty() ? "scalar" : result;
}

}  // namespace rdi::graph
