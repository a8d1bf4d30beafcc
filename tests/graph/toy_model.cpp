// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/graph/toy_model.hpp"

#include <algorithm>

#include "graph/attributes.hpp"
#include "graph/zoo/random.hpp"

namespace rdi::test {
namespace {

void declare(onnx::ValueInfoProto& value, const std::string& name, const graph::Shape& shapeOfOne) {
  value.set_name(name);
  auto& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("N");
  for (const int64_t size : shapeOfOne) type.mutable_shape()->add_dim()->set_dim_value(size);
}

}  // namespace

ToyModel::ToyModel(const graph::Shape& image) {
  model_.set_ir_version(6);
  model_.add_opset_import()->set_version(11);
  model_.mutable_graph()->set_name("toy");
  declare(*model_.mutable_graph()->add_input(), "image", image);
}

onnx::NodeProto& ToyModel::node(const std::string& opType, const std::vector<std::string>& inputs,
                                const std::string& output) {
  auto& node = *model_.mutable_graph()->add_node();
  node.set_op_type(opType);
  node.set_name("node_" + output);
  for (const auto& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

std::string ToyModel::weights(const std::string& name, const graph::Shape& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims) count *= dim;
  zoo::Random random(seed_++);
  std::vector<float> values(static_cast<size_t>(count));
  for (auto& value : values)
    value = static_cast<float>(dims.size() > 1 ? random.uniform(-0.5, 0.5) : random.uniform(0.2, 1));
  *model_.mutable_graph()->add_initializer() = graph::floatTensor(name, dims, values);
  return name;
}

std::string ToyModel::conv(const std::string& src, int64_t in, int64_t out, const std::string& dst) {
  auto& conv = node("Conv", {src, weights(dst + ".weight", {out, in, 3, 3})}, dst);
  graph::setAttribute(conv, "kernel_shape", graph::Shape{3, 3});
  graph::setAttribute(conv, "pads", graph::Shape{1, 1, 1, 1});
  return dst;
}

std::string ToyModel::batchNorm(const std::string& src, int64_t channels, const std::string& dst) {
  std::vector<std::string> inputs{src};
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"})
    inputs.push_back(weights(dst + part, {channels}));
  node("BatchNormalization", inputs, dst);
  return dst;
}

std::string ToyModel::relu(const std::string& src, const std::string& dst) {
  node("Relu", {src}, dst);
  return dst;
}

std::string ToyModel::linear(const std::string& src, int64_t in, int64_t out, const std::string& dst) {
  auto& gemm = node("Gemm", {src, weights(dst + ".weight", {out, in}), weights(dst + ".bias", {out})}, dst);
  graph::setAttribute(gemm, "transB", int64_t{1});
  return dst;
}

void ToyModel::exit(const std::string& src, int64_t channels, const std::string& exit) {
  node("GlobalAveragePool", {src}, exit + "_pooled");
  node("Flatten", {exit + "_pooled"}, exit + "_flat");
  output(linear(exit + "_flat", channels, 4, exit));
}

void ToyModel::output(const std::string& name, int64_t classes) {
  declare(*model_.mutable_graph()->add_output(), name, {classes});
}

onnx::ModelProto tinyMultiExit() {
  ToyModel toy;
  const auto first = toy.relu(toy.batchNorm(toy.conv("image", 3, 4, "conv1"), 4, "bn1"), "relu1");
  toy.exit(first, 4, "exit1");
  toy.batchNorm(toy.conv(first, 4, 4, "conv2"), 4, "bn2");
  toy.node("Add", {"bn2", first}, "sum");
  toy.relu("sum", "relu2");
  toy.node("Dropout", {"relu2"}, "drop");
  toy.exit("drop", 4, "exit2");
  toy.exit(toy.relu(toy.conv("drop", 4, 6, "conv3"), "relu3"), 6, "main");
  return toy.model();
}

int countNodes(const onnx::ModelProto& model, const std::string& opType) {
  const auto& nodes = model.graph().node();
  return static_cast<int>(
      std::count_if(nodes.begin(), nodes.end(), [&](const auto& node) { return node.op_type() == opType; }));
}

}  // namespace rdi::test
