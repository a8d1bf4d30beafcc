// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/inspect.hpp"

#include <charconv>
#include <cmath>
#include <map>

#include "graph/attributes.hpp"
#include "graph/cost.hpp"
#include "graph/engine_support.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/nested_if.hpp"
#include "graph/shapes.hpp"

namespace rdi::convert {
namespace {

using nlohmann::json;

/// As the shortest decimal that reads back as the same float; JSON has no infinity.
json number(float value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[64];
  const auto [end, code] = std::to_chars(digits, digits + sizeof digits, value);
  double shortest = value;
  std::from_chars(digits, end, shortest);
  return shortest;
}

/// Calls `visit` with the graph and every graph that its nodes hold.
template <typename Visit>
void visitGraphs(const onnx::GraphProto& graph, const Visit& visit) {
  visit(graph);
  for (const auto& node : graph.node())
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) visitGraphs(attribute.g(), visit);
}

json operatorCounts(const onnx::GraphProto& graph) {
  std::map<std::string, int> counts;
  visitGraphs(graph, [&](const auto& inner) {
    for (const auto& node : inner.node()) ++counts[node.op_type()];
  });
  return counts;
}

int64_t elementCount(const onnx::TensorProto& tensor) {
  int64_t count = 1;
  for (const int64_t dim : tensor.dims()) count *= dim;
  return count;
}

/// A count of MACs that a gate carries as decimal text, because ONNX attributes lose large integers in
/// OpenCV.
int64_t macsAttribute(const onnx::NodeProto& node, const std::string& attribute) {
  const std::string digits = graph::stringAttribute(node, attribute, "");
  int64_t value = 0;
  const auto [stop, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc() || stop != digits.data() + digits.size() || value < 0)
    throw Error(text("attribute ", attribute, " of node '", node.name(), "' is '", digits,
                     "', expected a count of multiply-accumulates"));
  return value;
}

double share(int64_t macs, int64_t staticMacs) {
  return staticMacs > 0 ? static_cast<double>(macs) / static_cast<double>(staticMacs) : 0;
}

json exitsOfPlainModel(const onnx::ModelProto& model, const graph::Metadata& metadata) {
  const auto costs = graph::exitCosts(model);
  json exits = json::array();
  std::vector<std::string> before;
  for (size_t k = 0; k < costs.size(); ++k) {
    const auto& cost = costs[k];
    const bool hasThreshold = metadata.rule && k < metadata.rule->thresholds.size();
    exits.push_back({{"name", cost.exit},
                     {"threshold", hasThreshold ? number(metadata.rule->thresholds[k]) : json()},
                     {"paper_mi", cost.paperMi()},
                     {"own_macs", cost.own.total()},
                     {"paid_macs", cost.paid.total()},
                     {"share_of_static", share(cost.paid.total(), costs.back().own.total())},
                     {"parameters", graph::parameterCount(model, cost.exit, before)}});
    before.push_back(cost.exit);
  }
  return exits;
}

/// The threshold is the gate's one input that is an initializer; the main exit's gate has none.
json thresholdOf(const onnx::GraphProto& graph, const onnx::NodeProto& gate) {
  for (const auto& input : gate.input()) {
    const auto* tensor = graph::findInitializer(graph, input);
    if (tensor == nullptr) continue;
    const auto values = graph::floatValues(*tensor);
    if (values.size() != 1)
      throw Error(text("threshold '", input, "' has ", values.size(), " values, expected one"));
    return number(values[0]);
  }
  return {};
}

json exitsOfChain(const onnx::GraphProto& graph) {
  json exits = json::array();
  for (const auto& node : graph.node()) {
    if (node.op_type() != "RdiEarlyExit") continue;
    exits.push_back(
        {{"name", graph::stringAttribute(node, "exit", node.name())},
         {"threshold", thresholdOf(graph, node)},
         {"paper_mi", static_cast<double>(macsAttribute(node, "own_conv_macs")) / (1024.0 * 1024.0)},
         {"own_macs", macsAttribute(node, "own_macs")},
         {"paid_macs", macsAttribute(node, "paid_macs")}});
  }
  if (exits.empty()) throw Error("an early-exit file without any RdiEarlyExit layer; it is damaged");
  const auto staticMacs = exits.back().at("own_macs").get<int64_t>();
  for (auto& exit : exits) exit["share_of_static"] = share(exit.at("paid_macs").get<int64_t>(), staticMacs);
  return exits;
}

/// The file holds no exits of its own any more; its metadata says what they cost.
json exitsOfNestedIf(const graph::Metadata& metadata) {
  try {
    json exits = json::array();
    for (const json& cost : metadata.cost) {
      const bool hasThreshold = metadata.rule && exits.size() < metadata.rule->thresholds.size();
      exits.push_back(
          {{"name", cost.at("exit")},
           {"threshold", hasThreshold ? number(metadata.rule->thresholds[exits.size()]) : json()},
           {"paper_mi", cost.at("paper_mi")},
           {"own_macs", cost.at("own_conv").get<int64_t>() + cost.at("own_linear").get<int64_t>()},
           {"paid_macs", cost.at("paid_conv").get<int64_t>() + cost.at("paid_linear").get<int64_t>()}});
    }
    if (exits.empty()) throw Error("its metadata does not say which exits it has and what they cost");
    const auto staticMacs = exits.back().at("own_macs").get<int64_t>();
    for (auto& exit : exits) exit["share_of_static"] = share(exit.at("paid_macs").get<int64_t>(), staticMacs);
    return exits;
  } catch (const json::exception& error) {
    throw Error(text("metadata 'rdi.cost' cannot be read: ", error.what()));
  }
}

/// Values in float32 tensors but those of the exit rule.
int64_t parametersOfNestedIf(const onnx::GraphProto& graph) {
  int64_t total = 0;
  visitGraphs(graph, [&](const auto& inner) {
    for (const auto& tensor : inner.initializer())
      if (tensor.data_type() == onnx::TensorProto::FLOAT &&
          tensor.name().rfind(graph::kNestedIfPrefix, 0) != 0)
        total += elementCount(tensor);
  });
  return total;
}

json describeTensors(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& tensors,
                     const graph::ShapeMap& shapes) {
  json result = json::array();
  for (const auto& tensor : tensors) {
    const auto found = shapes.find(tensor.name());
    result.push_back({{"name", tensor.name()},
                      {"shape", found == shapes.end() ? "unknown" : graph::toString(found->second)}});
  }
  return result;
}

json describeStage(const onnx::NodeProto& node) {
  const std::string bytes = graph::stringAttribute(node, "graph", "");
  const auto piece = graph::parseStage(bytes.data(), bytes.size(), "embedded graph of " + node.name());
  const auto shapes = graph::recordedShapes(piece);
  int64_t parameters = 0, macs = 0;
  for (const auto& tensor : piece.graph().initializer()) parameters += elementCount(tensor);
  for (const auto& inner : piece.graph().node()) macs += graph::nodeMacs(inner, shapes).total();
  const std::string engine = graph::stringAttribute(node, "engine", "");
  std::string why;
  if (engine == "opencv") {
    why = graph::whyNotOneDnn(piece);
    if (why.empty()) why = "--engine opencv was given";
  }
  return {{"name", node.name()},
          {"type", node.op_type()},
          {"engine", engine},
          {"why", why},
          {"precision", graph::stringAttribute(node, "precision", "")},
          {"inputs", describeTensors(piece.graph().input(), shapes)},
          {"outputs", describeTensors(piece.graph().output(), shapes)},
          {"operators", operatorCounts(piece.graph())},
          {"macs", macs},
          {"parameters", parameters}};
}

json stagesOfChain(const onnx::GraphProto& graph) {
  json stages = json::array();
  for (const auto& node : graph.node()) {
    if (node.op_type() != "RdiStage" && node.op_type() != "RdiBranchClassifier") continue;
    stages.push_back(describeStage(node));
  }
  return stages;
}

json sum(const json& entries, const char* key) {
  int64_t total = 0;
  for (const auto& entry : entries) total += entry.at(key).get<int64_t>();
  return total;
}

enum class Kind { multiExit, singleExit, earlyExit, nestedIf };

Kind kindOf(const onnx::ModelProto& model) {
  if (graph::isEarlyExit(model)) return Kind::earlyExit;
  if (graph::isNestedIf(model)) return Kind::nestedIf;
  return model.graph().output_size() > 1 ? Kind::multiExit : Kind::singleExit;
}

std::string nameOf(Kind kind) {
  switch (kind) {
    case Kind::multiExit:
      return "multi-exit";
    case Kind::singleExit:
      return "single-exit";
    case Kind::earlyExit:
      return "early-exit";
    case Kind::nestedIf:
      return "nested-if";
  }
  return {};
}

/// The last dimension of the first output, as the file states it.
int64_t recordedClasses(const onnx::ModelProto& model) {
  const auto shapes = graph::recordedShapes(model);
  const auto found = shapes.find(model.graph().output(0).name());
  if (found == shapes.end() || found->second.empty())
    throw Error("its output does not say how many classes it has");
  return found->second.back();
}

json describeRule(const graph::ExitRule& rule) {
  json thresholds = json::array();
  for (const float threshold : rule.thresholds) thresholds.push_back(number(threshold));
  return {{"criterion", graph::nameOf(rule.criterion)},
          {"fusion", graph::nameOf(rule.fusion)},
          {"patience", rule.patience},
          {"scores", graph::nameOf(rule.scores)},
          {"thresholds", thresholds}};
}

json describe(const onnx::ModelProto& model) {
  const auto metadata = graph::readMetadata(model);
  const auto input = graph::inputShape(model);
  const Kind kind = kindOf(model);
  json result = {{"kind", nameOf(kind)},
                 {"architecture", metadata.architecture},
                 {"opset", model.opset_import_size() > 0 ? model.opset_import(0).version() : 0},
                 {"input",
                  {{"name", graph::inputName(model)},
                   {"channels", input[0]},
                   {"height", input[1]},
                   {"width", input[2]}}},
                 {"class_names", metadata.classNames},
                 {"operators", operatorCounts(model.graph())},
                 {"results", metadata.results},
                 {"calibration", metadata.calibration},
                 {"recipe", metadata.recipe}};
  switch (kind) {
    case Kind::earlyExit:
      result["exits"] = exitsOfChain(model.graph());
      result["stages"] = stagesOfChain(model.graph());
      result["parameters"] = sum(result["stages"], "parameters");
      result["classes"] = recordedClasses(model);
      break;
    case Kind::nestedIf:
      result["exits"] = exitsOfNestedIf(metadata);
      result["parameters"] = parametersOfNestedIf(model.graph());
      result["classes"] = recordedClasses(model);
      break;
    case Kind::multiExit:
    case Kind::singleExit:
      result["exits"] = exitsOfPlainModel(model, metadata);
      result["parameters"] = sum(result["exits"], "parameters");
      result["classes"] = graph::classCount(model);
  }
  if (metadata.rule) result["rule"] = describeRule(*metadata.rule);
  for (const auto& point : metadata.operatingPoints) {
    json described = describeRule(point.rule);
    described["name"] = point.name;
    described["is_default"] = metadata.rule && graph::sameRule(point.rule, *metadata.rule);
    described["calibration"] = point.calibration;
    result["operating_points"].push_back(described);
  }
  if (metadata.preprocessing) {
    const auto& pixels = *metadata.preprocessing;
    result["preprocessing"] = {{"scale", pixels.scale},    {"mean", pixels.mean},
                               {"swap_rb", pixels.swapRB}, {"channels", pixels.channels},
                               {"height", pixels.height},  {"width", pixels.width}};
  }
  return result;
}

}  // namespace

json inspect(const onnx::ModelProto& model, const std::string& name, size_t bytes) {
  try {
    json result = describe(model);
    result["file"] = name;
    result["bytes"] = bytes;
    return result;
  } catch (const Error& error) {
    throw Error(text(name, ": ", error.what()));
  }
}

}  // namespace rdi::convert
