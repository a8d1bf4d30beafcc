// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/exit_chain.hpp"

#include <algorithm>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/simplify.hpp"

namespace rdi::graph {

namespace {

ExitRule ruleFor(const onnx::ModelProto& model, const std::vector<std::string>& exits,
                 const std::optional<ExitRule>& given, const std::optional<ExitRule>& recorded) {
  ExitRule rule;
  if (given)
    rule = *given;
  else if (recorded)
    rule = *recorded;
  else if (exits.size() > 1)
    throw Error(
        "no thresholds are given and the model's metadata has none: give --thresholds, or let rdi-evaluate "
        "calibrate choose them");
  rule.scores = kindOfScores(model, exits);
  checkRule(rule, exits.size());
  return rule;
}

// Thresholds are recorded for the exits in their declared order, but for the last of them.
std::vector<OperatingPoint> pointsFor(const std::vector<OperatingPoint>& recorded,
                                      const std::vector<std::string>& declared,
                                      const std::vector<std::string>& exits, Scores scores) {
  if (exits.size() < 2) return {};  // nothing to decide
  std::vector<size_t> places;
  for (size_t k = 0; k + 1 < exits.size(); ++k) {
    const auto found = std::find(declared.begin(), declared.end(), exits[k]);
    places.push_back(static_cast<size_t>(found - declared.begin()));
    if (places.back() + 1 >= declared.size()) return {};
  }
  std::vector<OperatingPoint> points = recorded;
  for (OperatingPoint& point : points) {
    try {
      checkRule(point.rule, declared.size());
    } catch (const Error& error) {
      throw Error(text("operating point ", point.name, ": ", error.what()));
    }
    const std::vector<float> all = point.rule.thresholds;
    point.rule.thresholds.clear();
    for (const size_t place : places) point.rule.thresholds.push_back(all[place]);
    point.rule.scores = scores;
    if (exits != declared) point.calibration = nullptr;  // it speaks of other exits
  }
  return points;
}

void checkNames(const onnx::ModelProto& model) {
  for (const auto& node : model.graph().node())
    for (const auto& output : node.output())
      if (output == "scores" || output == "exit" || output.rfind("exit_state", 0) == 0)
        throw Error(
            text("tensor '", output, "' of node '", node.name(),
                 "' has a name that the early-exit file needs (scores, exit, exit_state...); rename it"));
}

}  // namespace

onnx::ModelProto keepExits(const onnx::ModelProto& multiExit, const std::vector<std::string>& exits) {
  partition(multiExit, exits);  // refuses unknown and repeated exits
  onnx::ModelProto result = multiExit;
  auto* graph = result.mutable_graph();
  graph->clear_output();
  for (const auto& exit : exits)
    for (const auto& output : multiExit.graph().output())
      if (output.name() == exit) *graph->add_output() = output;
  simplify(result);
  return result;
}

ExitChain exitChain(const onnx::ModelProto& multiExit, const std::vector<std::string>& exits,
                    const std::optional<ExitRule>& rule) {
  if (isEarlyExit(multiExit))
    throw Error("this is an early-exit file already; expected a multi-exit ONNX model");
  ExitChain chain;
  chain.exits = exits.empty() ? exitNames(multiExit) : exits;
  chain.model = keepExits(multiExit, chain.exits);
  checkNames(chain.model);
  const Metadata recorded = readMetadata(multiExit);
  chain.rule = ruleFor(chain.model, chain.exits, rule, recorded.rule);
  chain.points = pointsFor(recorded.operatingPoints, exitNames(multiExit), chain.exits, chain.rule.scores);
  chain.costs = exitCosts(multiExit, chain.exits);
  chain.segments = partition(chain.model, chain.exits);
  return chain;
}

void writeChainMetadata(const onnx::ModelProto& multiExit, const ExitChain& chain, onnx::ModelProto& result) {
  *result.mutable_metadata_props() = multiExit.metadata_props();
  if (chain.points.empty()) eraseOperatingPoints(result);
  Metadata added;
  added.operatingPoints = chain.points;
  added.rule = chain.rule;
  added.cost = costToJson(multiExit, chain.exits);
  writeMetadata(result, added);
}

}  // namespace rdi::graph
