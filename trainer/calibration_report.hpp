// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "trainer/attack_rounds.hpp"
#include "trainer/calibration.hpp"
#include "trainer/plot.hpp"
#include "trainer/risk_choice.hpp"

namespace rdi::train {

/// What a calibration found out on one set of images. Each frontier belongs to the tried rule of the same
/// place. Attacks that follow the rule were made for the chosen one: the others would face one of their own.
struct CalibrationView {
  int64_t images = 0;
  bool isAttacked = false;     // else attacked accuracies are clean ones
  bool attackFollows = false;  // another rule would face another attack
  RulePoint staticNet;         // attacked by who knows that all take the main exit
  RulePoint chosen;
  std::vector<RulePoint> tried;
  std::vector<std::vector<RulePoint>> frontiers;
};

/// All that a calibration found out.
struct Calibration {
  Demand demand;
  std::vector<graph::ExitCost> costs;
  Choice choice;
  CalibrationView choosing;                 // the images that chose the rule
  std::optional<CalibrationView> checking;  // images that had no part in it
  std::vector<AttackRound> rounds;          // empty when no attack follows the rule
  bool settled = true;
  std::optional<ProvenChoice> proof;  // for risk
  std::vector<FoundThresholds>
      reattacked;  // rules of the chosen kind, each under its own attack, cheapest first

  /// What is to be believed: the images that had no part in the choice, where there are any.
  const CalibrationView& honest() const { return checking ? *checking : choosing; }
};

/// The view of the choice that these images, clean and attacked, give.
CalibrationView viewOf(const Choice& choice, const CalibrationTables& tables, const RulePoint& staticPoint,
                       bool attackFollows, const std::vector<graph::ExitCost>& costs);

/// Up to `count` thresholds of a frontier, from its cheapest to its most accurate ones, evenly in cost.
std::vector<std::vector<float>> alongFrontier(const std::vector<FoundThresholds>& frontier, size_t count);

/// Those of the chosen kind of rule: to attack anew for the plot.
std::vector<std::vector<float>> alongFrontier(const Calibration& calibration, size_t count);

/// "at most 0.2 points below the static net": what was asked.
std::string describe(const Demand& demand, bool isAttacked);

/// "entropy last 1: cost 54.30 %, right 85.10 %, attacked 71.20 % (78.00 % expected)".
std::string describe(const AttackRound& round);

/// For reading: the rules that were tried, the chosen one marked, beside the static net; then the proof.
std::string toTable(const Calibration& calibration);

/// What thresholds can reach: clean and attacked accuracy against paid cost, for the chosen kind of rule and
/// the best of the others, the chosen rule and the static net. Attacked curves that attacks made for another
/// rule would flatter are left out.
LinePlot frontierPlot(const Calibration& calibration);

/// For programs, with every rule that was tried and every frontier; see docs/calibration.md.
nlohmann::json toJson(const Calibration& calibration);

/// The few lines that go into the model's metadata.
nlohmann::json toMetadata(const Calibration& calibration);

}  // namespace rdi::train
