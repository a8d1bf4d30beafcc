// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "graph/exit_rule.hpp"

namespace rdi::graph {

/// An exit rule that a file offers by name, beside the one that it answers by.
struct OperatingPoint {
  std::string name;  // see checkPointName
  ExitRule rule;
  nlohmann::json calibration;  // how it was chosen; null when nobody says
};

/// Stands for the rule that a file answers by when nothing is said; no point is called so.
inline constexpr char kDefaultPoint[] = "default";

/// Throws rdi::Error unless the name is letters, digits, - and _ alone and not `default`.
void checkPointName(const std::string& name);

/// Adds the point, or replaces the one of its name. Points are kept in the order of their names.
void setPoint(std::vector<OperatingPoint>& points, const OperatingPoint& point);

/// The point of this name. Throws rdi::Error with the names that are there for another.
const OperatingPoint& pointNamed(const std::vector<OperatingPoint>& points, const std::string& name);

/// The points with the file's own rule among them, as `default`; none when there are no points.
std::vector<OperatingPoint> withDefault(const std::vector<OperatingPoint>& points, const ExitRule& rule);

/// Whether both let the same images leave at the same exits, with the same answers.
bool sameRule(const ExitRule& a, const ExitRule& b);

/// {name: {criterion, fusion, patience, scores, thresholds, calibration}}; calibration may be absent.
nlohmann::json pointsToJson(const std::vector<OperatingPoint>& points);
std::vector<OperatingPoint> pointsFromJson(const nlohmann::json& value);

}  // namespace rdi::graph
