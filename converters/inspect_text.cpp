// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/inspect_text.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

#include "converters/text_table.hpp"

namespace rdi::convert {
namespace {

using nlohmann::json;

constexpr size_t kLabelWidth = 15;
constexpr size_t kMaxClassNames = 12, kMaxThresholds = 16;

std::string fixed(double value, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int i = static_cast<int>(digits.size()) - 3; i > (value < 0 ? 1 : 0); i -= 3)
    digits.insert(static_cast<size_t>(i), ",");
  return digits;
}

std::string mega(const json& macs) { return fixed(macs.get<double>() / 1e6, 3); }

std::string list(const json& values, size_t limit) {
  std::string result;
  for (size_t i = 0; i < std::min(limit, values.size()); ++i)
    result += (i ? ", " : "") + plainText(values[i]);
  return values.size() > limit ? result + ", ..." : result;
}

std::string operators(const json& counts) {
  std::string result;
  for (const auto& [type, count] : counts.items())
    result += (result.empty() ? "" : ", ") + type + " " + plainText(count);
  return result;
}

std::string line(const std::string& label, const std::string& value) {
  return "  " + label + std::string(label.size() < kLabelWidth ? kLabelWidth - label.size() : 1, ' ') +
         value + "\n";
}

std::string exitTable(const json& exits) {
  std::vector<Row> rows{{"exit", "threshold", "paper Mi", "own MMAC", "paid MMAC", "of static"}};
  const bool withParameters = exits.at(0).contains("parameters");
  if (withParameters) rows[0].push_back("parameters");
  for (const auto& exit : exits) {
    const auto& threshold = exit.at("threshold");
    rows.push_back({exit.at("name").get<std::string>(), threshold.is_null() ? "-" : plainText(threshold),
                    fixed(exit.at("paper_mi").get<double>(), 4), mega(exit.at("own_macs")),
                    mega(exit.at("paid_macs")),
                    fixed(100 * exit.at("share_of_static").get<double>(), 1) + " %"});
    if (withParameters) rows.back().push_back(grouped(exit.at("parameters").get<int64_t>()));
  }
  return textTable(rows, "lrrrrrr");
}

std::string shapes(const json& tensors) {
  std::string result;
  for (const auto& tensor : tensors) result += (result.empty() ? "" : ", ") + plainText(tensor.at("shape"));
  return result;
}

std::string stageTable(const json& stages) {
  std::vector<Row> rows{{"stage", "engine", "from", "to", "MMAC", "parameters", "operators"}};
  std::map<std::string, std::string> stagesByReason;
  for (const auto& stage : stages) {
    rows.push_back({plainText(stage.at("name")), plainText(stage.at("engine")), shapes(stage.at("inputs")),
                    shapes(stage.at("outputs")), mega(stage.at("macs")),
                    grouped(stage.at("parameters").get<int64_t>()), operators(stage.at("operators"))});
    const auto why = plainText(stage.at("why"));
    auto& names = stagesByReason[why];
    names += (names.empty() ? "" : ", ") + plainText(stage.at("name"));
  }
  stagesByReason.erase("");
  std::string reasons;
  for (const auto& [why, names] : stagesByReason)
    reasons += "  on opencv, because " + why + ": " + names + "\n";
  return textTable(rows, "llllrrl") + reasons;
}

std::string preprocessing(const json& pixels) {
  const std::string mean = pixels.at("mean").empty() ? "" : list(pixels.at("mean"), 4);
  const std::string pixel = mean.empty() ? "pixel" : "(pixel - [" + mean + "])";
  const std::string channels = pixels.at("channels") == 1     ? "grey"
                               : pixels.at("swap_rb") == true ? "RGB"
                                                              : "BGR";
  return pixel + " * " + plainText(pixels.at("scale")) + ", " + channels + ", " +
         plainText(pixels.at("width")) + " x " + plainText(pixels.at("height"));
}

std::string rule(const json& rule) {
  std::string result = "leaves when " + plainText(rule.at("criterion")) + " < threshold";
  if (rule.at("patience") > 1) result += " and " + plainText(rule.at("patience")) + " exits in a row agree";
  return result + "; fusion " + plainText(rule.at("fusion")) + ", scores are " + plainText(rule.at("scores"));
}

/// "62.5 %" of what a calibration found on the images that are to be believed, or "-".
std::string found(const json& calibration, const char* key) {
  if (!calibration.is_object()) return "-";
  const json& view =
      calibration.value(calibration.contains("checked_on") ? "checked_on" : "chosen_on", json());
  const json& chosen = view.is_object() ? view.value("chosen", json()) : view;
  const json& value = chosen.is_object() ? chosen.value(key, json()) : chosen;
  return value.is_number() ? fixed(100 * value.get<double>(), 2) + " %" : "-";
}

std::string pointTable(const json& points) {
  std::vector<Row> rows{
      {"operating point", "criterion", "fusion", "patience", "thresholds", "cost", "right", "attacked", ""}};
  for (const auto& point : points) {
    const json& calibration = point.at("calibration");
    rows.push_back({plainText(point.at("name")), plainText(point.at("criterion")),
                    plainText(point.at("fusion")), plainText(point.at("patience")),
                    list(point.at("thresholds"), kMaxThresholds), found(calibration, "paid_fraction"),
                    found(calibration, "accuracy"), found(calibration, "attacked_accuracy"),
                    point.at("is_default") == true ? "what the file answers by" : ""});
  }
  return textTable(rows, "lllrlrrrl");
}

/// Every value inside `value` as a line "outer.inner  value"; arrays of plain values stay on one line.
void flatten(const std::string& path, const json& value, std::vector<Row>& rows) {
  const bool plainArray = value.is_array() && std::none_of(value.begin(), value.end(), [](const json& item) {
                            return item.is_structured();
                          });
  if (!value.is_structured() || plainArray) {
    rows.push_back({path, plainArray ? list(value, kMaxClassNames) : plainText(value)});
    return;
  }
  for (const auto& [key, inner] : value.items()) flatten(path.empty() ? key : path + "." + key, inner, rows);
}

/// True for an array of objects with the same keys, none of which holds an object: what a table shows best.
bool isTable(const json& value) {
  if (!value.is_array() || value.empty() || !value[0].is_object() || value[0].empty()) return false;
  return std::all_of(value.begin(), value.end(), [&](const json& item) {
    return item.is_object() && item.size() == value[0].size() &&
           std::all_of(item.items().begin(), item.items().end(), [&](const auto& entry) {
             return value[0].contains(entry.key()) && !entry.value().is_object();
           });
  });
}

/// One line an object, one column a key; names stand before numbers.
std::string tableOf(const json& objects) {
  Row keys;
  for (const bool names : {true, false})
    for (const auto& [key, value] : objects[0].items())
      if (value.is_string() == names) keys.push_back(key);
  std::vector<Row> rows{keys};
  for (const json& object : objects) {
    rows.emplace_back();
    for (const std::string& key : keys)
      rows.back().push_back(object[key].is_array() ? list(object[key], kMaxClassNames)
                                                   : plainText(object[key]));
  }
  return textTable(rows, std::string(keys.size(), 'l'));
}

std::string section(const std::string& title, const json& value) {
  std::vector<Row> rows;
  std::string tables;
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items())
      if (isTable(inner))
        tables += "\n  " + title + ", " + key + "\n" + tableOf(inner);
      else
        flatten(key, inner, rows);
  } else if (!value.is_null()) {
    flatten("", value, rows);
  }
  return (rows.empty() ? "" : "\n  " + title + "\n" + textTable(rows, "ll")) + tables;
}

}  // namespace

std::string toText(const json& found) {
  const auto& input = found.at("input");
  const auto& names = found.at("class_names");
  const std::string architecture = plainText(found.at("architecture"));
  std::string result = plainText(found.at("file")) + ": " + plainText(found.at("kind")) + " network, " +
                       grouped(found.at("bytes").get<int64_t>()) + " bytes\n";
  if (!architecture.empty()) result += line("architecture", architecture);
  result += line("input", plainText(input.at("name")) + ", " + plainText(input.at("channels")) + " x " +
                              plainText(input.at("height")) + " x " + plainText(input.at("width")));
  result += line("classes", plainText(found.at("classes")) +
                                (names.empty() ? "" : " (" + list(names, kMaxClassNames) + ")"));
  if (found.contains("preprocessing"))
    result += line("preprocessing", preprocessing(found.at("preprocessing")));
  result += line("parameters", grouped(found.at("parameters").get<int64_t>()));
  result += line("operators", operators(found.at("operators")));
  if (found.contains("rule")) result += line("rule", rule(found.at("rule")));
  result += "\n" + exitTable(found.at("exits"));
  if (found.contains("operating_points")) result += "\n" + pointTable(found.at("operating_points"));
  if (found.contains("stages")) result += "\n" + stageTable(found.at("stages"));
  result += section("results", found.at("results"));
  result += section("calibration", found.at("calibration"));
  result += section("recipe", found.at("recipe"));
  return result;
}

}  // namespace rdi::convert
