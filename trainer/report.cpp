// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace rdi::train {
namespace {

std::string cell(const std::string& content, size_t width) {
  return std::string(width > content.size() ? width - content.size() : 0, ' ') + content;
}

std::string inPercent(double share) {
  if (std::isnan(share)) return "-";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.2f", share * 100);
  return buffer;
}

constexpr size_t kWidth = 8;

std::string group(const std::vector<double>& shares) {
  std::string result;
  for (double share : shares) result += cell(inPercent(share), kWidth);
  return result;
}

// Index of the attack with the lowest accuracy; 0 when nothing was attacked.
size_t worstOf(const Evaluation& report) {
  size_t result = report.rows.size() > 1 ? 1 : 0;
  for (size_t i = 1; i < report.rows.size(); ++i)
    if (report.rows[i].outcome.accuracy < report.rows[result].outcome.accuracy) result = i;
  return result;
}

}  // namespace

std::string toTable(const Evaluation& report) {
  size_t nameWidth = 6;
  for (const EvaluationRow& row : report.rows) nameWidth = std::max(nameWidth, row.name.size());
  const size_t groupWidth = kWidth * report.costs.size();
  const auto name = [&](const std::string& content) {
    return content + std::string(nameWidth - content.size(), ' ');
  };
  std::string exits;
  for (const graph::ExitCost& cost : report.costs) exits += cell(cost.exit, kWidth);

  std::string table = name("") + cell("", 10) + " |" + cell("leaving by, %", groupWidth) + " |" +
                      cell("right if forced, %", groupWidth) + " |" + cell("cost, %", 2 * kWidth) + "\n";
  table += name("images") + cell("right, %", 10) + " |" + exits + " |" + exits + " |" + cell("paid", kWidth) +
           cell("paper", kWidth) + "\n";
  for (const EvaluationRow& row : report.rows)
    table += name(row.name) + cell(inPercent(row.outcome.accuracy), 10) + " |" + group(row.outcome.shares) +
             " |" + group(row.outcome.accuracyForced) + " |" +
             cell(inPercent(graph::paidFraction(report.costs, row.outcome.shares)), kWidth) +
             cell(inPercent(graph::paperFraction(report.costs, row.outcome.shares)), kWidth) + "\n";
  if (report.rows.size() > 1) {
    const EvaluationRow& worst = report.rows[worstOf(report)];
    table += "worst attack: " + worst.name + ", " + inPercent(worst.outcome.accuracy) +
             " % right; right under every attack: " + inPercent(report.unionAccuracy()) + " %\n";
  }
  return table;
}

nlohmann::json toJson(const Evaluation& report) {
  nlohmann::json rows = nlohmann::json::array();
  for (const EvaluationRow& row : report.rows) {
    const RuleOutcome& outcome = row.outcome;
    nlohmann::json leaving = nlohmann::json::array();
    for (double share : outcome.accuracyLeaving)
      leaving.push_back(std::isnan(share) ? nlohmann::json() : nlohmann::json(share));
    rows.push_back({{"images", row.name},
                    {"accuracy", outcome.accuracy},
                    {"exit_shares", outcome.shares},
                    {"accuracy_leaving", leaving},
                    {"accuracy_forced", outcome.accuracyForced},
                    {"paid_fraction", graph::paidFraction(report.costs, outcome.shares)},
                    {"paper_fraction", graph::paperFraction(report.costs, outcome.shares)}});
  }
  nlohmann::json exits = nlohmann::json::array();
  for (const graph::ExitCost& cost : report.costs) exits.push_back(cost.exit);
  nlohmann::json json = {{"exits", exits}, {"rows", rows}};
  if (report.rows.size() > 1) {
    json["worst_attack"] = report.rows[worstOf(report)].name;
    json["worst_accuracy"] = report.rows[worstOf(report)].outcome.accuracy;
    json["union_accuracy"] = report.unionAccuracy();
  }
  return json;
}

}  // namespace rdi::train
