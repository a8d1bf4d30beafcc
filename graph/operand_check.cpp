// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/operand_check.hpp"

#include "graph/attributes.hpp"
#include "graph/error.hpp"

namespace rdi::graph {
namespace {

constexpr int64_t kLargestWindow = int64_t{1}
                                   << 20;  // far above any picture; keeps sums of pads and strides in range

std::string where(const onnx::NodeProto& node) {
  return text("node '", node.name(), "' (", node.op_type(), ")");
}

/// Shape of an input; empty when it is absent or unknown.
Shape shapeOf(const onnx::NodeProto& node, int input, const ShapeMap& shapes) {
  if (input >= node.input_size()) return {};
  const auto found = shapes.find(node.input(input));
  return found == shapes.end() ? Shape{} : found->second;
}

void checkConv(const onnx::NodeProto& node, const ShapeMap& shapes) {
  const Shape src = shapeOf(node, 0, shapes), weight = shapeOf(node, 1, shapes),
              bias = shapeOf(node, 2, shapes);
  const int64_t groups = intAttribute(node, "group", 1);
  if (src.size() < 3 || weight.size() != src.size())
    throw Error(text(where(node), " convolves ", toString(src), " with weights ", toString(weight),
                     "; expected as many dimensions in both"));
  if (src[1] != weight[1] * groups || weight[0] % groups != 0)
    throw Error(text(where(node), " has weights ", toString(weight), " in ", groups,
                     " groups for an input of ", src[1], " channels"));
  const auto kernel = intsAttribute(node, "kernel_shape", {weight.begin() + 2, weight.end()});
  if (kernel != Shape(weight.begin() + 2, weight.end()))
    throw Error(
        text(where(node), " states the kernel ", toString(kernel), ", its weights are ", toString(weight)));
  if (!bias.empty() && bias != Shape{weight[0]})
    throw Error(text(where(node), " has a bias ", toString(bias), " for ", weight[0], " channels"));
}

void checkBatchNormalization(const onnx::NodeProto& node, const ShapeMap& shapes) {
  const Shape src = shapeOf(node, 0, shapes);
  for (int i = 1; i < 5; ++i) {
    const Shape parameter = shapeOf(node, i, shapes);
    if (src.size() < 2 || parameter != Shape{src[1]})
      throw Error(
          text(where(node), " has parameters ", toString(parameter), " for an input ", toString(src)));
  }
}

void checkGemm(const onnx::NodeProto& node, const ShapeMap& shapes) {
  const Shape a = shapeOf(node, 0, shapes), b = shapeOf(node, 1, shapes), bias = shapeOf(node, 2, shapes);
  const bool transA = intAttribute(node, "transA", 0) != 0, transB = intAttribute(node, "transB", 0) != 0;
  if (a.size() != 2 || b.size() != 2 || a[transA ? 0 : 1] != b[transB ? 1 : 0])
    throw Error(text(where(node), " cannot multiply ", toString(a), " by ", toString(b)));
  const Shape dst{a[transA ? 1 : 0], b[transB ? 0 : 1]};
  bool fits = bias.size() <= 2;
  for (size_t i = 0; fits && i < bias.size(); ++i) {
    const int64_t size = bias[bias.size() - 1 - i];
    fits = size == 1 || size == dst[1 - i];
  }
  if (!fits) throw Error(text(where(node), " cannot add ", toString(bias), " to its result ", toString(dst)));
}

}  // namespace

void checkWindowAttributes(const onnx::NodeProto& node) {
  struct Range {
    const char* name;
    int64_t least;
  };
  if (node.op_type() == "Pad") return;  // its pads may cut
  constexpr Range kRanges[] = {{"kernel_shape", 1}, {"strides", 1}, {"dilations", 1}, {"pads", 0}};
  for (const auto& range : kRanges)
    for (const int64_t value : intsAttribute(node, range.name, {}))
      if (value < range.least || value > kLargestWindow)
        throw Error(text(where(node), " has ", value, " in its attribute ", range.name, ", expected ",
                         range.least, " or more"));
  const int64_t groups = intAttribute(node, "group", 1);
  if (groups < 1 || groups > kLargestWindow) throw Error(text(where(node), " has ", groups, " groups"));
}

void checkOperands(const onnx::NodeProto& node, const ShapeMap& shapes) {
  const auto& op = node.op_type();
  if (op == "Conv") checkConv(node, shapes);
  if (op == "BatchNormalization") checkBatchNormalization(node, shapes);
  if (op == "Gemm") checkGemm(node, shapes);
  for (const auto& output : node.output()) {
    const auto found = shapes.find(output);
    if (found == shapes.end()) continue;
    for (const int64_t dim : found->second)
      if (dim < 1) throw Error(text(where(node), " gives an empty tensor, ", toString(found->second)));
  }
}

}  // namespace rdi::graph
