// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/convert.hpp"

#include <algorithm>

#include "graph/attributes.hpp"
#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/exit_chain.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/nested_if.hpp"
#include "graph/partition.hpp"
#include "graph/shapes.hpp"

namespace rdi::convert {
namespace {

using graph::ExitRule;

std::string joined(const std::vector<std::string>& names) {
  std::string result;
  for (const auto& name : names) result += (result.empty() ? "" : ", ") + name;
  return result;
}

/// The metadata's thresholds belong to the model's exits in their declared order; these are the ones of
/// `exits`.
std::vector<float> recordedThresholds(const ExitRule& recorded, const std::vector<std::string>& declared,
                                      const std::vector<std::string>& exits) {
  graph::checkRule(recorded, declared.size());
  std::vector<float> thresholds;
  for (size_t k = 0; k + 1 < exits.size(); ++k) {
    const auto index = std::find(declared.begin(), declared.end(), exits[k]) - declared.begin();
    if (static_cast<size_t>(index) + 1 == declared.size())
      throw Error(text("the metadata has no threshold for the main exit '", exits[k],
                       "'; name it last, or give --thresholds"));
    thresholds.push_back(recorded.thresholds[static_cast<size_t>(index)]);
  }
  return thresholds;
}

// Not the rule that the file answers by anyway.
bool wantsPoint(const ConvertOptions& options) {
  return options.operatingPoint && *options.operatingPoint != graph::kDefaultPoint;
}

ExitRule resolveRule(const onnx::ModelProto& model, const std::vector<std::string>& exits,
                     const ConvertOptions& options) {
  const graph::Metadata metadata = graph::readMetadata(model);
  std::optional<ExitRule> recorded = metadata.rule;
  if (wantsPoint(options))
    recorded = graph::pointNamed(metadata.operatingPoints, *options.operatingPoint).rule;
  ExitRule rule = recorded.value_or(ExitRule{});
  if (options.thresholds) {
    rule.thresholds = *options.thresholds;
  } else if (recorded) {
    if (options.criterion && *options.criterion != recorded->criterion)
      throw Error(text("the metadata's thresholds are for criterion ", graph::nameOf(recorded->criterion),
                       ", not ", graph::nameOf(*options.criterion), "; give --thresholds too"));
    rule.thresholds = recordedThresholds(*recorded, graph::exitNames(model), exits);
  } else if (exits.size() > 1) {
    throw Error(
        text("its metadata holds no thresholds; choose them with 'rdi-evaluate calibrate', or give "
             "--thresholds with ",
             exits.size() - 1, exits.size() == 2 ? " value, for " : " values, for ",
             joined({exits.begin(), exits.end() - 1})));
  }
  rule.criterion = options.criterion.value_or(rule.criterion);
  rule.fusion = options.fusion.value_or(rule.fusion);
  rule.patience = options.patience.value_or(rule.patience);
  graph::checkRule(rule, exits.size());
  return rule;
}

void checkIsMultiExit(const onnx::ModelProto& model) {
  if (graph::isEarlyExit(model))
    throw Error("is an early-exit file already; expected a multi-exit ONNX model as rdi-train writes it");
}

/// The exits asked for; refuses unknown and repeated ones before thresholds are looked at.
std::vector<std::string> resolveExits(const onnx::ModelProto& model, const ConvertOptions& options) {
  checkIsMultiExit(model);
  const auto declared = graph::exitNames(model);
  if (options.exits.empty() && declared.size() == 1)
    throw Error(text("has one output only, '", declared[0],
                     "', expected several exits; to write it as a chain that never leaves early, give "
                     "--exits ",
                     declared[0]));
  const auto exits = options.exits.empty() ? declared : options.exits;
  graph::partition(model, exits);
  return exits;
}

/// Results stay only with the exits and the rule that they were measured with; a point brings its own
/// calibration.
void dropForeignResults(const onnx::ModelProto& model, const std::vector<std::string>& exits,
                        const ExitRule& rule, const ConvertOptions& options, onnx::ModelProto& result) {
  const graph::Metadata metadata = graph::readMetadata(model);
  const bool sameExits = exits == graph::exitNames(model);
  if (metadata.rule && sameExits && graph::sameRule(*metadata.rule, rule)) return;
  graph::eraseResults(result);
  if (!sameExits || !wantsPoint(options)) return;
  graph::Metadata added;
  added.calibration = graph::pointNamed(metadata.operatingPoints, *options.operatingPoint).calibration;
  graph::writeMetadata(result, added);
}

[[noreturn]] void throwNoPart(const std::string& part, const std::vector<std::string>& parts) {
  throw Error(text("there is no part '", part, "'; the model has ", joined(parts)));
}

/// The graph that an early-exit file holds in its layer `part`.
onnx::ModelProto embeddedPart(const onnx::ModelProto& model, const std::string& part) {
  std::vector<std::string> parts;
  for (const auto& node : model.graph().node()) {
    if (node.op_type() != "RdiStage" && node.op_type() != "RdiBranchClassifier") continue;
    parts.push_back(node.name());
    if (node.name() != part && node.name() != graph::branchName(part)) continue;
    const std::string bytes = graph::stringAttribute(node, "graph", "");
    return graph::parseStage(bytes.data(), bytes.size(), "embedded graph of " + node.name());
  }
  throwNoPart(part, parts);
}

onnx::ModelProto partOfModel(const onnx::ModelProto& model, std::vector<std::string> exits,
                             const std::string& wanted) {
  if (exits.empty()) exits = graph::exitNames(model);
  const onnx::ModelProto kept = graph::keepExits(model, exits);
  const auto segments = graph::partition(kept, exits);
  std::vector<std::string> parts;
  for (size_t k = 0; k < segments.size(); ++k) {
    const auto offer = [&](const graph::Part& part, const std::string& name) {
      if (!part.nodes.empty()) parts.push_back(name);
      return !part.nodes.empty() && wanted == name;
    };
    const std::string& exit = segments[k].exit;
    const std::string branch = graph::branchName(exit);
    if (offer(segments[k].stage, graph::stageName(k))) return graph::extract(kept, segments[k].stage, wanted);
    if (offer(segments[k].branch, branch) || wanted == exit)
      return graph::extract(kept, segments[k].branch, branch);
  }
  throwNoPart(wanted, parts);
}

graph::RangeMap rangesFor(const onnx::ModelProto& model, const ConvertOptions& options) {
  if (options.precision != graph::Precision::int8) return {};
  if (!options.calibration)
    throw Error("int8 needs pictures that tell how large values are; give them with --calibrate");
  graph::Preprocessing preprocessing;
  preprocessing.swapRB = true;  // files hold red first, and so does a model that says nothing else
  preprocessing = graph::readMetadata(model).preprocessing.value_or(preprocessing);
  const graph::Shape size = graph::inputShape(model);
  preprocessing.channels = static_cast<int>(size[0]);
  preprocessing.height = static_cast<int>(size[1]);
  preprocessing.width = static_cast<int>(size[2]);
  return graph::measureRanges(model, modelInputs(*options.calibration, preprocessing), options.progress);
}

/// Runs `body` and puts the file's name before what it throws.
template <typename Body>
auto namingTheFile(const std::string& name, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw Error(text(name, ": ", error.what()));
  }
}

}  // namespace

onnx::ModelProto toEarlyExit(const onnx::ModelProto& model, const std::string& name,
                             const ConvertOptions& options) {
  return namingTheFile(name, [&] {
    graph::EarlyExitOptions build;
    build.exits = resolveExits(model, options);
    build.engine = options.engine;
    build.rule = resolveRule(model, build.exits, options);
    build.precision = options.precision;
    build.ranges = rangesFor(model, options);
    onnx::ModelProto result = graph::buildEarlyExit(model, build);
    dropForeignResults(model, build.exits, *build.rule, options, result);
    return result;
  });
}

onnx::ModelProto toNestedIf(const onnx::ModelProto& model, const std::string& name,
                            const ConvertOptions& options) {
  return namingTheFile(name, [&] {
    const auto exits = resolveExits(model, options);
    const ExitRule rule = resolveRule(model, exits, options);
    onnx::ModelProto result = graph::buildNestedIf(model, exits, rule);
    dropForeignResults(model, exits, rule, options, result);
    return result;
  });
}

onnx::ModelProto toPart(const onnx::ModelProto& model, const std::string& name,
                        const std::vector<std::string>& exits, const std::string& part) {
  return namingTheFile(name, [&] {
    return graph::isEarlyExit(model) ? embeddedPart(model, part) : partOfModel(model, exits, part);
  });
}

onnx::ModelProto toStatic(const onnx::ModelProto& model, const std::string& name, const std::string& exit) {
  return namingTheFile(name, [&] {
    checkIsMultiExit(model);
    return graph::buildStatic(model, exit);
  });
}

}  // namespace rdi::convert
