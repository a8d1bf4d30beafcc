// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/metadata.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/error.hpp"

namespace rdi::graph {

namespace {

using nlohmann::json;

constexpr char kArchitecture[] = "rdi.architecture";
constexpr char kClassNames[] = "rdi.class_names";
constexpr char kPreprocessing[] = "rdi.preprocessing";
constexpr char kRule[] = "rdi.rule";
constexpr char kOperatingPoints[] = "rdi.operating_points";
constexpr char kCost[] = "rdi.cost";
constexpr char kResults[] = "rdi.results";
constexpr char kCalibration[] = "rdi.calibration";
constexpr char kRecipe[] = "rdi.recipe";

// Names that are not UTF-8 are written with replacement characters, as JSON cannot hold them.
std::string toBytes(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json preprocessingToJson(const Preprocessing& value) {
  return {{"scale", value.scale},       {"mean", value.mean},     {"swap_rb", value.swapRB},
          {"channels", value.channels}, {"height", value.height}, {"width", value.width}};
}

Preprocessing preprocessingFromJson(const json& value) {
  Preprocessing result;
  result.scale = value.value("scale", result.scale);
  result.mean = value.value("mean", result.mean);
  result.swapRB = value.value("swap_rb", result.swapRB);
  result.channels = value.value("channels", result.channels);
  result.height = value.value("height", result.height);
  result.width = value.value("width", result.width);
  return result;
}

void readKey(const std::string& key, const std::string& value, Metadata& metadata) {
  if (key == kArchitecture) metadata.architecture = value;
  if (key == kClassNames) metadata.classNames = json::parse(value).get<std::vector<std::string>>();
  if (key == kPreprocessing) metadata.preprocessing = preprocessingFromJson(json::parse(value));
  if (key == kRule) metadata.rule = ruleFromJson(json::parse(value));
  if (key == kOperatingPoints) metadata.operatingPoints = pointsFromJson(json::parse(value));
  if (key == kCost) metadata.cost = json::parse(value);
  if (key == kResults) metadata.results = json::parse(value);
  if (key == kCalibration) metadata.calibration = json::parse(value);
  if (key == kRecipe) metadata.recipe = json::parse(value);
}

void setKey(onnx::ModelProto& model, const std::string& key, const std::string& value) {
  for (auto& entry : *model.mutable_metadata_props()) {
    if (entry.key() != key) continue;
    entry.set_value(value);
    return;
  }
  auto* entry = model.add_metadata_props();
  entry->set_key(key);
  entry->set_value(value);
}

void eraseKey(onnx::ModelProto& model, const std::string& key) {
  auto& entries = *model.mutable_metadata_props();
  for (int i = entries.size() - 1; i >= 0; --i)
    if (entries.Get(i).key() == key) entries.DeleteSubrange(i, 1);
}

}  // namespace

Metadata readMetadata(const onnx::ModelProto& model) {
  Metadata metadata;
  for (const auto& entry : model.metadata_props()) {
    try {
      readKey(entry.key(), entry.value(), metadata);
    } catch (const std::exception& error) {
      throw Error(text("metadata '", entry.key(), "' cannot be read: ", error.what()));
    }
  }
  return metadata;
}

void writeMetadata(onnx::ModelProto& model, const Metadata& metadata) {
  if (!metadata.architecture.empty()) setKey(model, kArchitecture, metadata.architecture);
  if (!metadata.classNames.empty()) setKey(model, kClassNames, toBytes(metadata.classNames));
  if (metadata.preprocessing)
    setKey(model, kPreprocessing, toBytes(preprocessingToJson(*metadata.preprocessing)));
  if (metadata.rule) setKey(model, kRule, toBytes(ruleToJson(*metadata.rule)));
  if (!metadata.operatingPoints.empty())
    setKey(model, kOperatingPoints, toBytes(pointsToJson(metadata.operatingPoints)));
  if (!metadata.cost.is_null()) setKey(model, kCost, toBytes(metadata.cost));
  if (!metadata.results.is_null()) setKey(model, kResults, toBytes(metadata.results));
  if (!metadata.calibration.is_null()) setKey(model, kCalibration, toBytes(metadata.calibration));
  if (!metadata.recipe.is_null()) setKey(model, kRecipe, toBytes(metadata.recipe));
}

void eraseResults(onnx::ModelProto& model) {
  eraseKey(model, kResults);
  eraseKey(model, kCalibration);
}

void eraseOperatingPoints(onnx::ModelProto& model) { eraseKey(model, kOperatingPoints); }

void eraseRuleAndResults(onnx::ModelProto& model) {
  eraseKey(model, kRule);
  eraseOperatingPoints(model);
  eraseResults(model);
}

Scores kindOfScores(const onnx::ModelProto& model, const std::vector<std::string>& exits) {
  const auto endsInSoftmax = [&](std::string tensor) {
    const auto& nodes = model.graph().node();  // in topological order: one walk from the end is enough
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      if (node->output_size() == 0 || node->output(0) != tensor) continue;
      if (node->op_type() != "Identity" && node->op_type() != "Dropout") return node->op_type() == "Softmax";
      tensor = node->input(0);
    }
    return false;
  };
  const auto count = static_cast<size_t>(std::count_if(exits.begin(), exits.end(), endsInSoftmax));
  if (count != 0 && count != exits.size())
    throw Error(text(count, " of ", exits.size(),
                     " exits end in Softmax; expected all of them (probabilities) or none (logits)"));
  return count ? Scores::probabilities : Scores::logits;
}

json numberToJson(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

double numberFromJson(const json& value) {
  if (!value.is_string()) return value.get<double>();
  const auto word = value.get<std::string>();
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (word == "inf") return std::numeric_limits<double>::infinity();
  if (word == "-inf") return -std::numeric_limits<double>::infinity();
  throw Error(text("found '", word, "', expected a number, \"inf\", \"-inf\" or \"nan\""));
}

json ruleToJson(const ExitRule& rule) {
  json thresholds = json::array();
  for (float threshold : rule.thresholds) thresholds.push_back(numberToJson(threshold));
  return {{"criterion", nameOf(rule.criterion)},
          {"fusion", nameOf(rule.fusion)},
          {"patience", rule.patience},
          {"scores", nameOf(rule.scores)},
          {"thresholds", thresholds}};
}

ExitRule ruleFromJson(const json& value) {
  ExitRule rule;
  rule.criterion = criterionFromName(value.value("criterion", nameOf(rule.criterion)));
  rule.fusion = fusionFromName(value.value("fusion", nameOf(rule.fusion)));
  rule.patience = value.value("patience", rule.patience);
  rule.scores = scoresFromName(value.value("scores", nameOf(rule.scores)));
  for (const auto& entry : value.value("thresholds", json::array())) {
    const double threshold = numberFromJson(entry);
    if (std::isnan(threshold)) throw Error("a threshold is NaN; expected a number, \"inf\" or \"-inf\"");
    rule.thresholds.push_back(static_cast<float>(threshold));
  }
  return rule;
}

json costToJson(const onnx::ModelProto& model, const std::vector<std::string>& exits) {
  return costToJson(exitCosts(model, exits));
}

std::vector<ExitCost> costFromJson(const json& value) {
  std::vector<ExitCost> costs;
  for (const json& entry : value) {
    ExitCost cost;
    cost.exit = entry.at("exit").get<std::string>();
    cost.own = {entry.at("own_conv").get<int64_t>(), entry.at("own_linear").get<int64_t>()};
    cost.paid = {entry.at("paid_conv").get<int64_t>(), entry.at("paid_linear").get<int64_t>()};
    costs.push_back(cost);
  }
  return costs;
}

json costToJson(const std::vector<ExitCost>& costs) {
  json result = json::array();
  for (const auto& cost : costs)
    result.push_back({{"exit", cost.exit},
                      {"own_conv", cost.own.conv},
                      {"own_linear", cost.own.linear},
                      {"paid_conv", cost.paid.conv},
                      {"paid_linear", cost.paid.linear},
                      {"paper_mi", cost.paperMi()}});
  return result;
}

}  // namespace rdi::graph
