// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/cost.hpp"
#include "graph/exit_rule.hpp"
#include "trainer/score_table.hpp"
#include "trainer/threshold_search.hpp"

namespace rdi::train {

enum class Policy {
  equalShares,  // every exit takes as many images: the paper's authors' rule
  cost,         // the least cost that keeps the accuracy within maxDrop of the static net's
  accuracy,     // the best accuracy within maxCost
  robust,       // the best accuracy under attack within maxCost
  risk,         // the least cost at which losses are proven to be rare (chooseWithProof)
  given,        // the rule as it is, thresholds and all: nothing is chosen
};
Policy policyFromName(const std::string& name);  // equal-shares, cost, accuracy, robust, risk, given
std::string nameOf(Policy policy);

/// What is asked of an exit rule. Shares 0..1.
struct Demand {
  Policy policy = Policy::equalShares;
  double maxDrop =
      0.002;           // of the accuracy: the clean one, or its mean with the attacked one where there is one
  double maxCost = 1;  // average paid cost of a clean image; 1 = the static net
  double maxRisk = 0.01;     // share of images that the static net gets right and the rule wrong
  double confidence = 0.95;  // that the risk is no larger
};

/// Scores of some images, as they are and under attacks.
struct CalibrationTables {
  ScoreTable clean;
  std::vector<ScoreTable> attacked;
};

/// One way to decide, with the best thresholds that were found for it.
struct TriedRule {
  graph::ExitRule rule;
  RulePoint point;
  Merit merit;
  std::vector<FoundThresholds> frontier;  // what its thresholds can reach
};

struct Choice {
  graph::ExitRule rule;
  RulePoint point;
  std::vector<TriedRule> tried;  // one for each rule, in their order
};

/// The one with the best merit; of equals the first.
std::vector<TriedRule>::const_iterator bestOf(const std::vector<TriedRule>& tried);

/// Every combination, the simplest first: last before mean, less patience before more, entropy before the
/// other criteria. Thresholds are empty, scores are logits.
std::vector<graph::ExitRule> rulesToTry(const std::vector<graph::Criterion>& criteria,
                                        const std::vector<graph::Fusion>& fusions,
                                        const std::vector<int>& patiences);

/// The main exit's own answer for every image, at cost 1.
RulePoint staticNet(const CalibrationTables& tables);

/// What the policy asks of thresholds, given what the static net reaches; not for risk.
Goal goalOf(const Demand& demand, const RulePoint& staticPoint, bool isAttacked);

/// The best of `rules` with the best thresholds, by every policy but risk; of equals the first. For given
/// their own thresholds are kept. `staticPoint` is what maxDrop refers to. Throws rdi::Error when the demand
/// makes no sense, cannot be met, or is robust without an attack, and when given thresholds do not fit.
Choice chooseRule(const Demand& demand, const std::vector<graph::ExitRule>& rules,
                  const CalibrationTables& tables, const std::vector<graph::ExitCost>& costs,
                  const RulePoint& staticPoint);

/// Throws rdi::Error for a demand that makes no sense or is below what the first exit costs.
void checkDemand(const Demand& demand, const std::vector<graph::ExitCost>& costs);

}  // namespace rdi::train
