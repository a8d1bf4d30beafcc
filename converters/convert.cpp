// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/convert.hpp"

#include <algorithm>

#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/partition.hpp"

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

ExitRule resolveRule(const onnx::ModelProto& model, const std::vector<std::string>& exits,
                     const ConvertOptions& options) {
  const auto recorded = graph::readMetadata(model).rule;
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

bool sameRule(const ExitRule& a, const ExitRule& b) {
  return a.criterion == b.criterion && a.fusion == b.fusion && a.patience == b.patience &&
         a.thresholds == b.thresholds;
}

void checkIsMultiExit(const onnx::ModelProto& model) {
  if (graph::isEarlyExit(model))
    throw Error("is an early-exit file already; expected a multi-exit ONNX model as rdi-train writes it");
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
    checkIsMultiExit(model);
    const auto declared = graph::exitNames(model);
    if (options.exits.empty() && declared.size() == 1)
      throw Error(text("has one output only, '", declared[0],
                       "', expected several exits; to write it as a chain that never leaves early, give "
                       "--exits ",
                       declared[0]));
    graph::EarlyExitOptions build;
    build.exits = options.exits.empty() ? declared : options.exits;
    build.engine = options.engine;
    graph::partition(model,
                     build.exits);  // refuses unknown and repeated exits before thresholds are looked at
    build.rule = resolveRule(model, build.exits, options);
    onnx::ModelProto result = graph::buildEarlyExit(model, build);
    const auto recorded = graph::readMetadata(model).rule;
    if (!recorded || !sameRule(*recorded, *build.rule) || build.exits != declared)
      graph::eraseResults(result);
    return result;
  });
}

onnx::ModelProto toStatic(const onnx::ModelProto& model, const std::string& name, const std::string& exit) {
  return namingTheFile(name, [&] {
    checkIsMultiExit(model);
    return graph::buildStatic(model, exit);
  });
}

}  // namespace rdi::convert
