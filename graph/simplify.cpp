// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/simplify.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/partition.hpp"
#include "graph/shapes.hpp"

namespace rdi::graph {

namespace {

// The graph under rewriting, with the look-ups that every rewrite needs.
class Rewriter {
public:
  explicit Rewriter(onnx::GraphProto& graph) : graph_(graph) {}

  onnx::GraphProto& graph() { return graph_; }

  bool isOutput(const std::string& tensor) const {
    return std::any_of(graph_.output().begin(), graph_.output().end(),
                       [&](const auto& output) { return output.name() == tensor; });
  }

  int readers(const std::string& tensor) const {
    int count = isOutput(tensor) ? 1 : 0;
    for (const auto& node : graph_.node())
      count += static_cast<int>(std::count(node.input().begin(), node.input().end(), tensor));
    return count;
  }

  onnx::NodeProto* producer(const std::string& tensor) {
    for (auto& node : *graph_.mutable_node())
      for (const auto& output : node.output())
        if (output == tensor) return &node;
    return nullptr;
  }

  const onnx::TensorProto* constant(const onnx::NodeProto& node, int input) const {
    return input < node.input_size() ? findInitializer(graph_, node.input(input)) : nullptr;
  }

  // Adds a tensor under a name like `wanted` that nobody has yet; returns the name.
  std::string addConstant(onnx::TensorProto tensor, const std::string& wanted) {
    std::string name = wanted;
    for (int i = 2; findInitializer(graph_, name); ++i) name = wanted + "_" + std::to_string(i);
    tensor.set_name(name);
    *graph_.add_initializer() = std::move(tensor);
    return name;
  }

  void renameReads(const std::string& from, const std::string& to) {
    for (auto& node : *graph_.mutable_node())
      for (auto& input : *node.mutable_input())
        if (input == from) input = to;
  }

  void removeNode(const onnx::NodeProto* node) {
    for (int i = 0; i < graph_.node_size(); ++i) {
      if (&graph_.node(i) != node) continue;
      graph_.mutable_node()->DeleteSubrange(i, 1);
      return;
    }
  }

private:
  onnx::GraphProto& graph_;
};

// Constant(value) -> initializer.
bool liftConstant(Rewriter& rewriter, onnx::NodeProto& node) {
  const auto* value = findAttribute(node, "value");
  if (node.op_type() != "Constant" || !value || !value->has_t() || rewriter.isOutput(node.output(0)))
    return false;
  onnx::TensorProto tensor = value->t();
  tensor.set_name(node.output(0));
  rewriter.removeNode(&node);
  *rewriter.graph().add_initializer() = std::move(tensor);
  return true;
}

// y = Identity(x), y = Dropout(x) at inference: readers of y read x.
bool bypass(Rewriter& rewriter, onnx::NodeProto& node) {
  const bool dropout = node.op_type() == "Dropout";
  if (node.op_type() != "Identity" && !dropout) return false;
  if (dropout && node.output_size() > 1 && rewriter.readers(node.output(1)) > 0)
    return false;  // the mask is read
  const std::string from = node.output(0);
  const std::string to = node.input(0);
  if (!rewriter.isOutput(from)) {
    rewriter.removeNode(&node);
    rewriter.renameReads(from, to);
    return true;
  }
  // An output keeps its name: what computes x computes it under the name of y.
  auto* source = rewriter.producer(to);
  if (!source || rewriter.isOutput(to)) return false;
  rewriter.removeNode(&node);
  source = rewriter.producer(to);
  for (auto& output : *source->mutable_output())
    if (output == to) output = from;
  rewriter.renameReads(to, from);
  return true;
}

// BatchNormalization after a Conv or Gemm that nobody else reads: scale its weights, shift its bias.
bool foldBatchNormalization(Rewriter& rewriter, onnx::NodeProto& node) {
  if (node.op_type() != "BatchNormalization" || intAttribute(node, "training_mode", 0) != 0) return false;
  auto* before = rewriter.producer(node.input(0));
  if (!before || rewriter.readers(node.input(0)) != 1) return false;
  const bool gemm = before->op_type() == "Gemm";
  if (!gemm && before->op_type() != "Conv") return false;
  if (gemm && (floatAttribute(*before, "alpha", 1) != 1 || floatAttribute(*before, "beta", 1) != 1))
    return false;
  const auto* weight = rewriter.constant(*before, 1);
  const bool hasBias = before->input_size() > 2 && !before->input(2).empty();
  const auto* bias = rewriter.constant(*before, 2);
  const onnx::TensorProto* parameters[4];
  for (int i = 0; i < 4; ++i)
    if (!(parameters[i] = rewriter.constant(node, i + 1))) return false;
  if (!weight || (hasBias && !bias)) return false;

  const auto gamma = floatValues(*parameters[0]), beta = floatValues(*parameters[1]);
  const auto mean = floatValues(*parameters[2]), variance = floatValues(*parameters[3]);
  const double epsilon = floatAttribute(node, "epsilon", 1e-5f);
  auto weights = floatValues(*weight);
  auto shift = hasBias ? floatValues(*bias) : std::vector<float>(gamma.size(), 0.0f);
  const bool transposed = !gemm || intAttribute(*before, "transB", 0) != 0;
  const size_t channels = gamma.size();
  if (shift.size() != channels || weights.size() % std::max<size_t>(channels, 1) != 0) return false;
  const size_t perChannel = weights.size() / channels;
  for (size_t c = 0; c < channels; ++c) {
    const double scale = gamma[c] / std::sqrt(variance[c] + epsilon);
    for (size_t i = 0; i < perChannel; ++i) {
      float& value = transposed ? weights[c * perChannel + i] : weights[i * channels + c];
      value = static_cast<float>(value * scale);
    }
    shift[c] = static_cast<float>((shift[c] - mean[c]) * scale + beta[c]);
  }
  const std::vector<int64_t> dims(weight->dims().begin(), weight->dims().end());
  const std::string stem = before->input(1);
  const std::string output = node.output(0);
  rewriter.removeNode(&node);
  before = rewriter.producer(before->output(0));
  const auto newWeight = rewriter.addConstant(floatTensor("", dims, weights), stem + "_folded");
  const auto newBias =
      rewriter.addConstant(floatTensor("", {static_cast<int64_t>(channels)}, shift), stem + "_bias");
  before->set_input(1, newWeight);
  if (before->input_size() > 2)
    before->set_input(2, newBias);
  else
    before->add_input(newBias);
  before->set_output(0, output);
  return true;
}

// MatMul(x, W) + b of rank 2 -> Gemm.
bool makeGemm(Rewriter& rewriter, onnx::NodeProto& node) {
  if (node.op_type() != "Add") return false;
  for (int side = 0; side < 2; ++side) {
    auto* product = rewriter.producer(node.input(side));
    const auto* bias = rewriter.constant(node, 1 - side);
    if (!product || product->op_type() != "MatMul" || !bias || rewriter.readers(node.input(side)) != 1)
      continue;
    const auto* weight = rewriter.constant(*product, 1);
    if (!weight || weight->dims_size() != 2) continue;
    const int64_t width = weight->dims(1);
    if (bias->dims_size() < 1 || bias->dims_size() > 2 || bias->dims(bias->dims_size() - 1) != width)
      continue;
    if (bias->dims_size() == 2 && bias->dims(0) != 1) continue;
    const auto* source = rewriter.producer(product->input(0));
    const bool flat = source && (source->op_type() == "Flatten" || source->op_type() == "Gemm");
    if (!flat) continue;  // Gemm asks for rank 2
    const auto values = floatValues(*bias);
    const std::string stem = node.input(1 - side), output = node.output(0), middle = node.input(side);
    rewriter.removeNode(&node);
    product = rewriter.producer(middle);
    product->set_op_type("Gemm");
    product->add_input(rewriter.addConstant(floatTensor("", {width}, values), stem + "_row"));
    product->set_output(0, output);
    return true;
  }
  return false;
}

// A Gemm of the form y = x W^T + b with constant W (out x in) and b, alpha = beta = 1.
struct Affine {
  std::vector<float> weight, bias;
  int64_t in = 0, out = 0;
};

bool readAffine(const Rewriter& rewriter, const onnx::NodeProto& node, Affine& affine) {
  if (node.op_type() != "Gemm" || intAttribute(node, "transA", 0) != 0) return false;
  if (floatAttribute(node, "alpha", 1) != 1 || floatAttribute(node, "beta", 1) != 1) return false;
  const auto* weight = rewriter.constant(node, 1);
  if (!weight || weight->dims_size() != 2) return false;
  const auto values = floatValues(*weight);
  const bool transposed = intAttribute(node, "transB", 0) != 0;
  affine.out = weight->dims(transposed ? 0 : 1);
  affine.in = weight->dims(transposed ? 1 : 0);
  affine.weight = values;
  if (!transposed)
    for (int64_t o = 0; o < affine.out; ++o)
      for (int64_t i = 0; i < affine.in; ++i) affine.weight[o * affine.in + i] = values[i * affine.out + o];
  affine.bias.assign(affine.out, 0.0f);
  if (node.input_size() < 3 || node.input(2).empty()) return true;
  const auto* bias = rewriter.constant(node, 2);
  if (!bias) return false;
  const auto shift = floatValues(*bias);
  if (shift.size() != affine.bias.size()) return false;
  affine.bias = shift;
  return true;
}

// Gemm after Gemm without activation between: one Gemm, where that costs no more multiplications.
bool composeGemms(Rewriter& rewriter, onnx::NodeProto& node) {
  if (node.op_type() != "Gemm") return false;
  auto* before = rewriter.producer(node.input(0));
  Affine first, second;
  if (!before || rewriter.readers(node.input(0)) != 1) return false;
  if (!readAffine(rewriter, *before, first) || !readAffine(rewriter, node, second) || first.out != second.in)
    return false;
  if (first.in * second.out > first.in * first.out + second.in * second.out) return false;
  std::vector<float> weight(first.in * second.out), bias(second.out);
  std::vector<double> row(first.in);
  for (int64_t o = 0; o < second.out; ++o) {
    std::fill(row.begin(), row.end(), 0.0);
    double shift = second.bias[o];
    for (int64_t m = 0; m < second.in; ++m) {
      const double factor = second.weight[o * second.in + m];
      shift += factor * first.bias[m];
      for (int64_t i = 0; i < first.in; ++i) row[i] += factor * first.weight[m * first.in + i];
    }
    for (int64_t i = 0; i < first.in; ++i) weight[o * first.in + i] = static_cast<float>(row[i]);
    bias[o] = static_cast<float>(shift);
  }
  const std::string stem = before->input(1), output = node.output(0), middle = node.input(0);
  rewriter.removeNode(&node);
  before = rewriter.producer(middle);
  before->set_input(
      1, rewriter.addConstant(floatTensor("", {second.out, first.in}, weight), stem + "_composed"));
  const auto newBias = rewriter.addConstant(floatTensor("", {second.out}, bias), stem + "_composed_bias");
  if (before->input_size() > 2)
    before->set_input(2, newBias);
  else
    before->add_input(newBias);
  setAttribute(*before, "transB", int64_t{1});
  before->set_output(0, output);
  return true;
}

// Gemm with constant weights in x out -> out x in, which is what OpenCV 4.6 reads when there is a bias too.
bool transposeGemm(Rewriter& rewriter, onnx::NodeProto& node) {
  Affine affine;
  if (node.op_type() != "Gemm" || intAttribute(node, "transB", 0) != 0) return false;
  if (!readAffine(rewriter, node, affine)) return false;
  node.set_input(1, rewriter.addConstant(floatTensor("", {affine.out, affine.in}, affine.weight),
                                         node.input(1) + "_transposed"));
  setAttribute(node, "transB", int64_t{1});
  return true;
}

// Conv whose kernel is known from its weights alone: OpenCV 4.6 wants it stated.
bool stateKernel(Rewriter& rewriter, onnx::NodeProto& node) {
  if (node.op_type() != "Conv" || findAttribute(node, "kernel_shape")) return false;
  const auto* weight = rewriter.constant(node, 1);
  if (!weight || weight->dims_size() < 3) return false;
  setAttribute(node, "kernel_shape", Shape(weight->dims().begin() + 2, weight->dims().end()));
  return true;
}

}  // namespace

void removeUnused(onnx::GraphProto& graph) {
  std::vector<std::string> outputs;
  for (const auto& output : graph.output()) outputs.push_back(output.name());
  const auto used = ancestors(graph, outputs);
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  std::set<std::string> read(outputs.begin(), outputs.end());
  for (int index : used) {
    *nodes.Add() = graph.node(index);
    read.insert(graph.node(index).input().begin(), graph.node(index).input().end());
  }
  nodes.Swap(graph.mutable_node());
  google::protobuf::RepeatedPtrField<onnx::TensorProto> initializers;
  std::set<std::string> gone;
  for (auto& tensor : *graph.mutable_initializer()) {
    if (read.count(tensor.name()))
      *initializers.Add() = std::move(tensor);
    else
      gone.insert(tensor.name());
  }
  initializers.Swap(graph.mutable_initializer());
  google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> inputs;  // IR 3 lists initializers as inputs too
  for (auto& input : *graph.mutable_input())
    if (!gone.count(input.name())) *inputs.Add() = std::move(input);
  inputs.Swap(graph.mutable_input());
  std::set<std::string> produced;
  for (const auto& node : graph.node()) produced.insert(node.output().begin(), node.output().end());
  google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> recorded;
  for (auto& value : *graph.mutable_value_info())
    if (produced.count(value.name())) *recorded.Add() = std::move(value);
  recorded.Swap(graph.mutable_value_info());
}

void simplify(onnx::ModelProto& model) {
  auto& graph = *model.mutable_graph();
  removeUnused(graph);
  Rewriter rewriter(graph);
  constexpr bool (*kRewrites[])(Rewriter&, onnx::NodeProto&) = {
      liftConstant, bypass, foldBatchNormalization, makeGemm, composeGemms, transposeGemm, stateKernel};
  // A rewrite may delete nodes anywhere, so the search starts again after each one that applied.
  for (bool changed = true; changed;) {
    changed = false;
    for (int i = 0; i < graph.node_size() && !changed; ++i)
      for (const auto rewrite : kRewrites)
        if ((changed = rewrite(rewriter, *graph.mutable_node(i)))) break;
  }
  removeUnused(graph);
}

}  // namespace rdi::graph
