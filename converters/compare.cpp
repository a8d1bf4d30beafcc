// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include "converters/text_table.hpp"
#include "graph/attributes.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"

namespace rdi::convert {
namespace {

using nlohmann::json;

constexpr size_t kMostNames = 20;  // in a text; JSON has them all

/// Every value that is not the same in both, by its path: rule.thresholds.0
void addDifferences(const std::string& path, const json& a, const json& b, json& list) {
  if (a == b) return;
  if (!a.is_structured() || a.type() != b.type()) {
    list.push_back({{"what", path}, {"a", a}, {"b", b}});
    return;
  }
  const auto at = [](const json& value, const std::string& key) {
    if (value.is_object()) return value.contains(key) ? value.at(key) : json();
    const size_t index = std::stoul(key);
    return index < value.size() ? value[index] : json();
  };
  const json& longer = a.size() < b.size() ? b : a;
  std::vector<std::string> keys;
  for (const auto* value : {&longer, &a, &b})
    for (const auto& [key, inner] : value->items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  for (const auto& key : keys)
    addDifferences(path.empty() ? key : path + "." + key, at(a, key), at(b, key), list);
}

json differences(json a, json b) {
  for (json* found : {&a, &b}) found->erase("file");
  json list = json::array();
  addDifferences("", a, b, list);
  return list;
}

using Weights = std::map<std::string, onnx::TensorProto>;

void collect(const onnx::GraphProto& graph, const std::string& prefix, Weights& weights) {
  for (const auto& tensor : graph.initializer())
    if (tensor.data_type() == onnx::TensorProto::FLOAT) weights[prefix + tensor.name()] = tensor;
  for (const auto& node : graph.node()) {
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) collect(attribute.g(), prefix, weights);
    if (node.op_type() != "RdiStage" && node.op_type() != "RdiBranchClassifier") continue;
    const std::string bytes = graph::stringAttribute(node, "graph", "");
    collect(graph::parseUnchecked(bytes.data(), bytes.size(), "embedded graph of " + node.name()).graph(),
            node.name() + "/", weights);
  }
}

graph::Shape shapeOf(const onnx::TensorProto& tensor) { return {tensor.dims().begin(), tensor.dims().end()}; }

bool sameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

json changeOf(const std::string& name, const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, largest = 0;
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    count += std::memcmp(&a[i], &b[i], sizeof(float)) != 0;
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(a[i])));
  }
  return {{"name", name},
          {"values", count},
          {"largest_difference", difference},
          {"relative", largest > 0 ? json(difference / largest) : json()}};
}

json compareWeights(const onnx::ModelProto& a, const onnx::ModelProto& b) {
  Weights left, right;
  collect(a.graph(), "", left);
  collect(b.graph(), "", right);
  json onlyA = json::array(), onlyB = json::array(), otherShape = json::array(), changed = json::array();
  int64_t same = 0;
  for (const auto& [name, tensor] : left) {
    const auto found = right.find(name);
    if (found == right.end()) {
      onlyA.push_back(name);
      continue;
    }
    if (shapeOf(tensor) != shapeOf(found->second)) {
      otherShape.push_back({{"name", name},
                            {"a", graph::toString(shapeOf(tensor))},
                            {"b", graph::toString(shapeOf(found->second))}});
      continue;
    }
    const auto values = graph::floatValues(tensor), others = graph::floatValues(found->second);
    if (sameBits(values, others))
      ++same;
    else
      changed.push_back(changeOf(name, values, others));
  }
  for (const auto& [name, tensor] : right)
    if (left.count(name) == 0) onlyB.push_back(name);
  return {{"same", same},
          {"only_in_a", onlyA},
          {"only_in_b", onlyB},
          {"other_shape", otherShape},
          {"changed", changed}};
}

std::string cell(const json& value) {
  if (value.is_null()) return "-";
  if (value.is_structured())
    return std::to_string(value.size()) + (value.size() == 1 ? " entry" : " entries");
  return plainText(value);
}

std::string names(const std::string& title, const json& list) {
  if (list.empty()) return "";
  std::string result = "  " + title + " " + std::to_string(list.size()) + ":";
  for (size_t i = 0; i < std::min(kMostNames, list.size()); ++i)
    result += (i ? ", " : " ") + list[i].get<std::string>();
  return result + (list.size() > kMostNames ? ", ...\n" : "\n");
}

/// The first rows of a list of objects, with these keys as columns.
std::string rowsOf(const std::string& title, const json& list, const std::vector<std::string>& keys) {
  if (list.empty()) return "";
  std::vector<Row> rows{keys};
  for (size_t i = 0; i < std::min(kMostNames, list.size()); ++i) {
    rows.emplace_back();
    for (const auto& key : keys) rows.back().push_back(plainText(list[i].at(key)));
  }
  if (list.size() > kMostNames) rows.push_back(Row(keys.size(), "..."));
  return "\n  " + title + " " + std::to_string(list.size()) + "\n" +
         textTable(rows, std::string(keys.size(), 'l'));
}

}  // namespace

json compare(const Inspected& a, const Inspected& b) {
  return {{"files", {a.found.at("file"), b.found.at("file")}},
          {"differences", differences(a.found, b.found)},
          {"weights", compareWeights(a.model, b.model)}};
}

std::string compareText(const json& compared) {
  const auto& weights = compared.at("weights");
  const auto& list = compared.at("differences");
  std::string result =
      "a: " + plainText(compared.at("files")[0]) + "\nb: " + plainText(compared.at("files")[1]) + "\n";
  if (list.empty()) result += "\n  nothing that rdi-inspect tells differs\n";
  if (!list.empty()) {
    std::vector<Row> rows{{"what", "a", "b"}};
    for (const auto& entry : list)
      rows.push_back({plainText(entry.at("what")), cell(entry.at("a")), cell(entry.at("b"))});
    result += "\n" + textTable(rows, "lll");
  }
  result += "\n  weights equal to the bit " + plainText(weights.at("same")) + "\n";
  result += names("weights only in a", weights.at("only_in_a"));
  result += names("weights only in b", weights.at("only_in_b"));
  result += rowsOf("weights of another shape", weights.at("other_shape"), {"name", "a", "b"});
  result +=
      rowsOf("weights changed", weights.at("changed"), {"name", "values", "largest_difference", "relative"});
  return result;
}

}  // namespace rdi::convert
