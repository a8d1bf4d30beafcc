// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/operating_points.hpp"

#include <algorithm>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/nearest_name.hpp"

namespace rdi::graph {

namespace {

constexpr char kCalibration[] = "calibration";

bool isNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

void checkPointName(const std::string& name) {
  if (name == kDefaultPoint)
    throw Error(text("an operating point cannot be called ", name,
                     ": that is the rule that the file answers by when nothing is said; take another name"));
  if (name.empty() || !std::all_of(name.begin(), name.end(), isNameCharacter))
    throw Error(text("found '", name,
                     "' as name of an operating point, expected letters, digits, - and _, such as careful"));
}

void setPoint(std::vector<OperatingPoint>& points, const OperatingPoint& point) {
  const auto place =
      std::lower_bound(points.begin(), points.end(), point.name,
                       [](const auto& before, const auto& name) { return before.name < name; });
  if (place != points.end() && place->name == point.name)
    *place = point;
  else
    points.insert(place, point);
}

const OperatingPoint& pointNamed(const std::vector<OperatingPoint>& points, const std::string& name) {
  std::vector<std::string> known;
  std::string list;
  for (const OperatingPoint& point : points) {
    if (point.name == name) return point;
    known.push_back(point.name);
    list += (list.empty() ? "" : ", ") + point.name;
  }
  if (points.empty())
    throw Error(text("has no operating points, so none called '", name,
                     "'; rdi-evaluate calibrate --operating-point adds them"));
  throw Error(text("has no operating point '", name, "'", didYouMean(name, known), "; it has ", list));
}

std::vector<OperatingPoint> withDefault(const std::vector<OperatingPoint>& points, const ExitRule& rule) {
  std::vector<OperatingPoint> all = points;
  if (!all.empty()) setPoint(all, {kDefaultPoint, rule, nullptr});
  return all;
}

bool sameRule(const ExitRule& a, const ExitRule& b) {
  return a.criterion == b.criterion && a.fusion == b.fusion && a.patience == b.patience &&
         a.thresholds == b.thresholds;
}

nlohmann::json pointsToJson(const std::vector<OperatingPoint>& points) {
  nlohmann::json json = nlohmann::json::object();
  for (const OperatingPoint& point : points) {
    json[point.name] = ruleToJson(point.rule);
    if (!point.calibration.is_null()) json[point.name][kCalibration] = point.calibration;
  }
  return json;
}

std::vector<OperatingPoint> pointsFromJson(const nlohmann::json& value) {
  if (!value.is_object())
    throw Error(text("found ", value.type_name(), ", expected an object with a rule for each name"));
  std::vector<OperatingPoint> points;
  for (const auto& [name, rule] : value.items())
    setPoint(points, {name, ruleFromJson(rule), rule.value(kCalibration, nlohmann::json())});
  return points;
}

}  // namespace rdi::graph
