// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/normal_form.hpp"

#include <algorithm>
#include <string>

#include "graph/attributes.hpp"
#include "graph/constant_folding.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/transposes.hpp"

namespace rdi::graph {

namespace {

constexpr int64_t kFreeInitializers = 4;  // the first IR whose initializers need not be inputs as well

onnx::ValueInfoProto* imageInput(onnx::ModelProto& model) {
  const std::string name = inputName(model);
  for (auto& input : *model.mutable_graph()->mutable_input())
    if (input.name() == name) return &input;
  return nullptr;
}

bool isChannelCount(int64_t size) { return size == 1 || size == 3 || size == 4; }

bool isChannelsLast(const onnx::GraphProto& graph, const onnx::ValueInfoProto& input) {
  const auto& dims = input.type().tensor_type().shape().dim();
  if (dims.size() != 4) return false;
  bool read = false, transposed = true;
  for (const auto& node : graph.node()) {
    if (std::count(node.input().begin(), node.input().end(), input.name()) == 0) continue;
    read = true;
    transposed = transposed && node.op_type() == "Transpose" &&
                 intsAttribute(node, "perm", {}) == std::vector<int64_t>{0, 3, 1, 2};
  }
  if (read && transposed) return true;
  return isChannelCount(dims[3].dim_value()) && !isChannelCount(dims[1].dim_value());
}

/// The input takes N x C x H x W, and a Transpose gives the rest of the graph what it had.
void putChannelsFirst(onnx::GraphProto& graph, onnx::ValueInfoProto& input) {
  auto& shape = *input.mutable_type()->mutable_tensor_type()->mutable_shape();
  shape.mutable_dim()->SwapElements(2, 3);  // N H C W
  shape.mutable_dim()->SwapElements(1, 2);  // N C H W
  const std::string inner = input.name() + "_channels_last";
  for (auto& node : *graph.mutable_node())
    for (auto& name : *node.mutable_input())
      if (name == input.name()) name = inner;
  onnx::NodeProto transpose;
  transpose.set_op_type("Transpose");
  transpose.set_name(inner);
  transpose.add_input(input.name());
  transpose.add_output(inner);
  setAttribute(transpose, "perm", std::vector<int64_t>{0, 2, 3, 1});
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  *nodes.Add() = transpose;
  for (auto& node : *graph.mutable_node()) *nodes.Add() = std::move(node);
  nodes.Swap(graph.mutable_node());
}

/// N x C from an output that says the same with more dimensions.
void flattenOutputs(onnx::ModelProto& model) {
  auto& graph = *model.mutable_graph();
  const auto shapes = knownShapes(model, 1);
  for (auto& output : *graph.mutable_output()) {
    const auto found = shapes.find(output.name());
    if (found == shapes.end() || found->second.size() <= 2 || found->second[0] != 1) continue;
    const Shape& shape = found->second;
    if (std::count_if(shape.begin() + 1, shape.end(), [](int64_t size) { return size != 1; }) > 1) continue;
    const int64_t classes = *std::max_element(shape.begin() + 1, shape.end());
    const std::string inner = output.name() + "_unflattened";
    for (auto& node : *graph.mutable_node())
      for (auto* names : {node.mutable_input(), node.mutable_output()})
        for (auto& name : *names)
          if (name == output.name()) name = inner;
    auto& node = *graph.add_node();
    node.set_op_type("Flatten");
    node.set_name(output.name() + "_flatten");
    node.add_input(inner);
    node.add_output(output.name());
    setAttribute(node, "axis", int64_t{1});
    auto& declared = *output.mutable_type()->mutable_tensor_type()->mutable_shape();
    declared.mutable_dim()->DeleteSubrange(std::min(1, declared.dim_size()),
                                           std::max(declared.dim_size() - 1, 0));
    if (declared.dim_size() == 0) declared.add_dim();
    declared.add_dim()->set_dim_value(classes);
  }
}

}  // namespace

void toNormalForm(onnx::ModelProto& model) {
  auto* input = imageInput(model);
  if (input == nullptr) return;
  model.set_ir_version(std::max(model.ir_version(), kFreeInitializers));
  if (isChannelsLast(model.graph(), *input)) putChannelsFirst(*model.mutable_graph(), *input);
  foldConstants(model);
  sinkTransposes(model);
  flattenOutputs(model);
}

}  // namespace rdi::graph
