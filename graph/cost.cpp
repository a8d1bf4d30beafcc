// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/cost.hpp"

#include <set>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/partition.hpp"

namespace rdi::graph {

namespace {

int64_t product(const Shape& shape, size_t from = 0) {
  int64_t result = 1;
  for (size_t i = from; i < shape.size(); ++i) result *= shape[i];
  return result;
}

Macs sum(const onnx::GraphProto& graph, const ShapeMap& shapes, const std::vector<int>& nodes) {
  Macs total;
  for (int index : nodes) {
    const Macs macs = nodeMacs(graph.node(index), shapes);
    total.conv += macs.conv;
    total.linear += macs.linear;
  }
  return total;
}

// Sum over exits of share * cost of the exit, divided by the static net's cost.
double fraction(const std::vector<double>& costsOfExits, const std::vector<double>& shares,
                double staticCost) {
  if (costsOfExits.size() != shares.size())
    throw Error(text("there are ", shares.size(), " exit shares for ", costsOfExits.size(), " exits"));
  double average = 0;
  for (size_t k = 0; k < shares.size(); ++k) average += shares[k] * costsOfExits[k];
  return average / staticCost;
}

// Floating-point initializers of these nodes that training changes.
std::set<std::string> trainable(const onnx::GraphProto& graph, const std::vector<int>& nodes) {
  std::set<std::string> names;
  for (int index : nodes) {
    const auto& node = graph.node(index);
    const auto& op = node.op_type();
    if (op == "Clip" || op == "Dropout" || op == "Pad" || op == "Resize") continue;
    for (int i = 0; i < node.input_size(); ++i)
      if (op != "BatchNormalization" || i < 3) names.insert(node.input(i));
  }
  return names;
}

}  // namespace

Macs nodeMacs(const onnx::NodeProto& node, const ShapeMap& shapes) {
  Macs macs;
  const auto& op = node.op_type();
  if (op != "Conv" && op != "Gemm" && op != "MatMul") return macs;
  const Shape& output = shapes.at(node.output(0));
  if (op == "Conv") {
    macs.conv = product(output) * product(shapes.at(node.input(1)), 1);  // weight: out x in/groups x kh x kw
  } else {
    const Shape& a = shapes.at(node.input(0));
    const bool transposed = op == "Gemm" && intAttribute(node, "transA", 0) != 0;
    macs.linear = product(output) * (transposed ? a.front() : a.back());
  }
  return macs;
}

Macs modelMacs(const onnx::ModelProto& model) {
  const ShapeMap shapes = inferShapes(model);
  std::vector<int> all(model.graph().node_size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int>(i);
  return sum(model.graph(), shapes, all);
}

std::vector<ExitCost> exitCosts(const onnx::ModelProto& model, const std::vector<std::string>& exits) {
  const auto names = exits.empty() ? exitNames(model) : exits;
  const ShapeMap shapes = inferShapes(model);
  std::vector<ExitCost> costs;
  std::vector<std::string> reached;
  for (const auto& name : names) {
    reached.push_back(name);
    costs.push_back({name, sum(model.graph(), shapes, ancestors(model.graph(), {name})),
                     sum(model.graph(), shapes, ancestors(model.graph(), reached))});
  }
  return costs;
}

double paidFraction(const std::vector<ExitCost>& costs, const std::vector<double>& shares) {
  std::vector<double> paid;
  for (const auto& cost : costs) paid.push_back(static_cast<double>(cost.paid.total()));
  return fraction(paid, shares, static_cast<double>(costs.back().own.total()));
}

double paperFraction(const std::vector<ExitCost>& costs, const std::vector<double>& shares) {
  std::vector<double> paper;
  for (const auto& cost : costs) paper.push_back(cost.paperMi());
  return fraction(paper, shares, costs.back().paperMi());
}

int64_t parameterCount(const onnx::ModelProto& model, const std::string& exit,
                       const std::vector<std::string>& without) {
  const auto& graph = model.graph();
  const auto counted = trainable(graph, ancestors(graph, {exit}));
  const auto excluded = trainable(graph, ancestors(graph, without));
  int64_t total = 0;
  for (const auto& tensor : graph.initializer())
    if (tensor.data_type() == onnx::TensorProto::FLOAT && counted.count(tensor.name()) &&
        !excluded.count(tensor.name()))
      total += product(Shape(tensor.dims().begin(), tensor.dims().end()));
  return total;
}

}  // namespace rdi::graph
