// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/layers/model_builder.hpp"

#include <onnx/shape_inference/implementation.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "graph/attributes.hpp"

namespace rdi::test {
namespace {

void describe(onnx::ValueInfoProto* value, const std::string& name, const graph::Shape& shape) {
  value->set_name(name);
  value->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  for (const int64_t extent : shape)
    value->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(extent);
}

/// Shapes of a graph that may have several inputs.
graph::ShapeMap shapesOf(onnx::ModelProto model) {
  onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(),
                                     onnx::ShapeInferenceOptions(true, 1, true));
  return graph::recordedShapes(model);
}

}  // namespace

ModelBuilder::ModelBuilder(int64_t opset) {
  model_.set_ir_version(6);
  model_.add_opset_import()->set_version(opset);
  model_.mutable_graph()->set_name("test");
}

std::string ModelBuilder::fresh(const std::string& stem) { return stem + std::to_string(++names_); }

std::string ModelBuilder::input(const std::string& name, const graph::Shape& shape) {
  describe(model_.mutable_graph()->add_input(), name, shape);
  return name;
}

std::string ModelBuilder::weights(const graph::Shape& shape) {
  const int64_t count = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  const float scale = std::sqrt(2.0f / static_cast<float>(std::max<int64_t>(count / shape[0], 1)));
  std::normal_distribution<float> normal(0, shape.size() == 1 ? 0.1f : scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random_);
  return constant(shape, values);
}

std::string ModelBuilder::constant(const graph::Shape& shape, const std::vector<float>& values) {
  const std::string name = fresh("constant");
  *model_.mutable_graph()->add_initializer() = graph::floatTensor(name, shape, values);
  return name;
}

std::string ModelBuilder::intConstant(const std::vector<int64_t>& values) {
  const std::string name = fresh("constant");
  *model_.mutable_graph()->add_initializer() =
      graph::intTensor(name, {static_cast<int64_t>(values.size())}, values);
  return name;
}

std::string ModelBuilder::add(const std::string& type, const std::vector<std::string>& inputs) {
  onnx::NodeProto* node = model_.mutable_graph()->add_node();
  node->set_op_type(type);
  node->set_name(fresh(type));
  for (const std::string& name : inputs) node->add_input(name);
  node->add_output(fresh("tensor"));
  return node->output(0);
}

std::string ModelBuilder::conv(const std::string& from, int64_t in, int64_t out, int64_t kernel,
                               int64_t stride, int64_t pad, int64_t groups) {
  const std::string result = add("Conv", {from, weights({out, in / groups, kernel, kernel}), weights({out})});
  graph::setAttribute(node(), "kernel_shape", std::vector<int64_t>{kernel, kernel});
  graph::setAttribute(node(), "strides", std::vector<int64_t>{stride, stride});
  graph::setAttribute(node(), "pads", std::vector<int64_t>{pad, pad, pad, pad});
  graph::setAttribute(node(), "group", groups);
  return result;
}

std::string ModelBuilder::gemm(const std::string& from, int64_t in, int64_t out) {
  const std::string result = add("Gemm", {from, weights({out, in}), weights({out})});
  graph::setAttribute(node(), "transB", int64_t{1});
  return result;
}

onnx::ModelProto ModelBuilder::classifier(const std::vector<std::string>& outputs) const {
  onnx::ModelProto model = model_;
  for (const std::string& name : outputs) {
    onnx::ValueInfoProto* value = model.mutable_graph()->add_output();
    value->set_name(name);
    value->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  }
  const graph::ShapeMap shapes = shapesOf(model);
  model.mutable_graph()->clear_output();
  for (const std::string& name : outputs)
    describe(model.mutable_graph()->add_output(), name, shapes.at(name));
  return model;
}

onnx::ModelProto ModelBuilder::stage(const std::vector<std::string>& outputs) const {
  onnx::ModelProto model = classifier(outputs);
  const graph::ShapeMap shapes = shapesOf(model);
  for (const onnx::NodeProto& node : model.graph().node())
    for (const std::string& name : node.output())
      if (std::find(outputs.begin(), outputs.end(), name) == outputs.end())
        describe(model.mutable_graph()->add_value_info(), name, shapes.at(name));
  return model;
}

std::vector<float> randomValues(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

double relativeDifference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double difference = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) != std::isnan(b[i])) return INFINITY;
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(a[i])));
  }
  return difference / std::max(largest, 1e-6);
}

}  // namespace rdi::test
