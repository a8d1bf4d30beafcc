// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "graph/cost.hpp"
#include "trainer/score_table.hpp"

namespace rdi::train {

/// One row of an evaluation.
struct ReportRow {
  std::string name;  // clean, or the attack's
  RuleOutcome outcome;
};

/// What a rule does to clean and attacked images; the first row is the clean one.
struct Report {
  std::vector<graph::ExitCost> costs;
  std::vector<ReportRow> rows;

  /// Index of the attack with the lowest accuracy; 0 when nothing was attacked.
  size_t worst() const;
  /// Share of the images that are right under every attack; 1 when nothing was attacked.
  double unionAccuracy() const;
};

/// For reading: a line a row, shares and costs in percent, the cost of the static net being 100.
std::string toTable(const Report& report);

/// The same for programs; shares 0..1.
nlohmann::json toJson(const Report& report);

}  // namespace rdi::train
