// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/partition.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"

namespace rdi::graph {

namespace {

std::map<std::string, int> producers(const onnx::GraphProto& graph) {
  std::map<std::string, int> result;
  for (int i = 0; i < graph.node_size(); ++i)
    for (const auto& output : graph.node(i).output())
      if (!output.empty()) result[output] = i;
  return result;
}

std::vector<bool> needed(const onnx::GraphProto& graph, const std::map<std::string, int>& producer,
                         const std::vector<std::string>& outputs) {
  std::vector<bool> marked(graph.node_size(), false);
  std::vector<std::string> open = outputs;
  while (!open.empty()) {
    const auto found = producer.find(open.back());
    open.pop_back();
    if (found == producer.end() || marked[found->second]) continue;
    marked[found->second] = true;
    for (const auto& input : graph.node(found->second).input()) open.push_back(input);
  }
  return marked;
}

std::string joined(const std::vector<std::string>& names) {
  std::string result;
  for (const auto& name : names) result += (result.empty() ? "" : ", ") + name;
  return result;
}

void checkExits(const onnx::ModelProto& model, const std::vector<std::string>& exits) {
  const auto known = exitNames(model);
  if (exits.empty()) throw Error(text("no exit is named; the model has ", joined(known)));
  std::set<std::string> seen;
  for (const auto& exit : exits) {
    if (std::find(known.begin(), known.end(), exit) == known.end())
      throw Error(text("there is no exit '", exit, "'; the model has ", joined(known)));
    if (!seen.insert(exit).second) throw Error(text("exit '", exit, "' is named twice"));
  }
}

}  // namespace

std::string stageName(size_t index) { return "stage" + std::to_string(index + 1); }
std::string branchName(const std::string& exit) { return "classifier_" + exit; }

std::vector<int> ancestors(const onnx::GraphProto& graph, const std::vector<std::string>& outputs) {
  const auto marked = needed(graph, producers(graph), outputs);
  std::vector<int> result;
  for (int i = 0; i < graph.node_size(); ++i)
    if (marked[i]) result.push_back(i);
  return result;
}

std::vector<Segment> partition(const onnx::ModelProto& model, const std::vector<std::string>& exits) {
  checkExits(model, exits);
  const auto& graph = model.graph();
  const auto producer = producers(graph);
  const size_t exitCount = exits.size();

  // Which part owns a node: 2k is stage k, 2k + 1 is branch k, -1 nobody.
  std::vector<int> owner(graph.node_size(), -1);
  for (size_t k = 0; k < exitCount; ++k) {
    const auto here = needed(graph, producer, {exits[k]});
    const auto later = needed(graph, producer, {exits.begin() + static_cast<long>(k) + 1, exits.end()});
    for (int i = 0; i < graph.node_size(); ++i)
      if (here[i] && owner[i] < 0) owner[i] = static_cast<int>(2 * k) + (later[i] ? 0 : 1);
  }

  std::set<std::string> initializers;
  for (const auto& tensor : graph.initializer()) initializers.insert(tensor.name());
  std::vector<Part> parts(2 * exitCount);
  const auto append = [](std::vector<std::string>& list, const std::string& name) {
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  };
  for (int i = 0; i < graph.node_size(); ++i) {
    if (owner[i] < 0) continue;
    parts[owner[i]].nodes.push_back(i);
    for (const auto& input : graph.node(i).input()) {
      if (input.empty() || initializers.count(input)) continue;
      const auto found = producer.find(input);
      if (found != producer.end() && owner[found->second] == owner[i]) continue;
      append(parts[owner[i]].inputs, input);
      if (found != producer.end()) append(parts[owner[found->second]].outputs, input);
    }
  }
  std::vector<Segment> segments;
  for (size_t k = 0; k < exitCount; ++k) {
    const auto found = producer.find(exits[k]);
    if (found == producer.end()) throw Error(text("exit '", exits[k], "' is not computed by any node"));
    append(parts[owner[found->second]].outputs, exits[k]);
    segments.push_back({exits[k], parts[2 * k], parts[2 * k + 1]});
  }
  return segments;
}

onnx::ModelProto extract(const onnx::ModelProto& model, const Part& part, const std::string& name) {
  const auto& source = model.graph();
  const ShapeMap shapes = inferShapes(model, 1);
  const auto declare = [&](onnx::ValueInfoProto* value, const std::string& tensor) {
    declareTensor(*value, tensor, shapes.at(tensor));
  };

  onnx::ModelProto result;
  result.set_ir_version(model.ir_version());
  result.set_producer_name("rdi");
  *result.mutable_opset_import() = model.opset_import();
  auto* graph = result.mutable_graph();
  graph->set_name(name);
  std::set<std::string> used;
  const std::set<std::string> outputs(part.outputs.begin(), part.outputs.end());
  for (const auto& input : part.inputs) declare(graph->add_input(), input);
  for (const auto& output : part.outputs) declare(graph->add_output(), output);
  for (int index : part.nodes) {
    const auto& node = source.node(index);
    *graph->add_node() = node;
    used.insert(node.input().begin(), node.input().end());
    for (const auto& output : node.output())
      if (!output.empty() && !outputs.count(output)) declare(graph->add_value_info(), output);
  }
  for (const auto& tensor : source.initializer())
    if (used.count(tensor.name())) *graph->add_initializer() = tensor;
  return result;
}

}  // namespace rdi::graph
