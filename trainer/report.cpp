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

}  // namespace

size_t Report::worst() const {
  size_t result = rows.size() > 1 ? 1 : 0;
  for (size_t i = 1; i < rows.size(); ++i)
    if (rows[i].outcome.accuracy < rows[result].outcome.accuracy) result = i;
  return result;
}

double Report::unionAccuracy() const {
  if (rows.size() < 2) return 1;
  const size_t count = rows[1].outcome.right.size();
  size_t right = 0;
  for (size_t i = 0; i < count; ++i)
    right +=
        std::all_of(rows.begin() + 1, rows.end(), [i](const ReportRow& row) { return row.outcome.right[i]; });
  return static_cast<double>(right) / static_cast<double>(count);
}

std::string toTable(const Report& report) {
  size_t nameWidth = 6;
  for (const ReportRow& row : report.rows) nameWidth = std::max(nameWidth, row.name.size());
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
  for (const ReportRow& row : report.rows)
    table += name(row.name) + cell(inPercent(row.outcome.accuracy), 10) + " |" + group(row.outcome.shares) +
             " |" + group(row.outcome.accuracyForced) + " |" +
             cell(inPercent(graph::paidFraction(report.costs, row.outcome.shares)), kWidth) +
             cell(inPercent(graph::paperFraction(report.costs, row.outcome.shares)), kWidth) + "\n";
  if (report.rows.size() > 1) {
    const ReportRow& worst = report.rows[report.worst()];
    table += "worst attack: " + worst.name + ", " + inPercent(worst.outcome.accuracy) +
             " % right; right under every attack: " + inPercent(report.unionAccuracy()) + " %\n";
  }
  return table;
}

nlohmann::json toJson(const Report& report) {
  nlohmann::json rows = nlohmann::json::array();
  for (const ReportRow& row : report.rows) {
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
    json["worst_attack"] = report.rows[report.worst()].name;
    json["worst_accuracy"] = report.rows[report.worst()].outcome.accuracy;
    json["union_accuracy"] = report.unionAccuracy();
  }
  return json;
}

}  // namespace rdi::train
