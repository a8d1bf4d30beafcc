// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/graph/naive_run.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/random.hpp"

namespace rdi::test {
namespace {

using graph::Shape;

int64_t opsetOf(const onnx::ModelProto& model) {
  for (const auto& opset : model.opset_import())
    if (opset.domain().empty() || opset.domain() == "ai.onnx") return opset.version();
  return 0;
}

}  // namespace

std::map<std::string, Tensor> runNaively(const onnx::ModelProto& model, const Tensor& input) {
  return runNaively(model, {{graph::inputName(model), input}});
}

std::map<std::string, Tensor> runNaively(const onnx::ModelProto& model,
                                         const std::map<std::string, Tensor>& inputs) {
  std::map<std::string, Tensor> tensors = inputs;
  for (const auto& initializer : model.graph().initializer())
    if (initializer.data_type() == onnx::TensorProto::FLOAT ||
        initializer.data_type() == onnx::TensorProto::INT64)
      tensors[initializer.name()] = fromProto(initializer);
  for (const auto& node : model.graph().node()) {
    std::vector<const Tensor*> operands;
    for (const auto& name : node.input()) operands.push_back(name.empty() ? nullptr : &tensors.at(name));
    auto results = computeNaively(node, operands, opsetOf(model));
    for (size_t i = 0; i < results.size(); ++i)
      tensors[node.output(static_cast<int>(i))] = std::move(results[i]);
  }
  return tensors;
}

Tensor randomInput(const Shape& shape, uint64_t seed) {
  zoo::Random random(seed);
  Tensor tensor{shape, std::vector<double>(static_cast<size_t>(elementCount(shape)))};
  for (auto& value : tensor.values) value = static_cast<float>(random.uniform(0, 1));
  return tensor;
}

void randomizeWeights(onnx::ModelProto& model, uint64_t seed) {
  zoo::Random random(seed);
  for (auto& initializer : *model.mutable_graph()->mutable_initializer()) {
    if (initializer.data_type() != onnx::TensorProto::FLOAT) continue;
    const Shape dims(initializer.dims().begin(), initializer.dims().end());
    std::vector<float> values(static_cast<size_t>(elementCount(dims)));
    const double bound =
        dims.size() > 1
            ? std::sqrt(6.0 * static_cast<double>(dims[0]) / static_cast<double>(elementCount(dims)))
            : 0;
    for (auto& value : values)
      value = static_cast<float>(dims.size() > 1 ? random.uniform(-bound, bound) : random.uniform(0.3, 1.0));
    initializer = graph::floatTensor(initializer.name(), dims, values);
  }
}

double relativeDifference(const Tensor& a, const Tensor& b) {
  if (a.shape != b.shape || a.values.size() != b.values.size())
    return std::numeric_limits<double>::infinity();
  double largest = 1e-6, difference = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (!std::isfinite(a.values[i]) || !std::isfinite(b.values[i]))
      return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(a.values[i]));
    difference = std::max(difference, std::abs(a.values[i] - b.values[i]));
  }
  return difference / largest;
}

}  // namespace rdi::test
