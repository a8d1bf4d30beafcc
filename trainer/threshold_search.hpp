// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "graph/cost.hpp"
#include "trainer/decisions.hpp"

namespace rdi::train {

/// What a rule makes of a set of images. Accuracies 0..1; cost 1 = the static net.
struct RulePoint {
  double cost = 0;      // average paid cost on clean images
  double clean = 0;     // accuracy on clean images
  double attacked = 0;  // share right in every attacked table; `clean` where there is none

  /// The accuracy that counts: so much clean and the rest attacked.
  double accuracy(double cleanWeight) const { return cleanWeight * clean + (1 - cleanWeight) * attacked; }
};

/// Of the rule whose decisions these are, with these thresholds; the attacked tables hold the clean one's
/// images, attacked.
RulePoint measureRule(const Decisions& clean, const std::vector<Decisions>& attacked,
                      const std::vector<graph::ExitCost>& costs, const std::vector<float>& thresholds);

/// What is asked of thresholds: within the limits, the least price * cost - accuracy; of equals the one with
/// the least cost - accuracy. Where the limits cannot be kept, whatever breaks them least.
struct Goal {
  double cleanWeight = 1;
  double mostCost = std::numeric_limits<double>::infinity();
  double leastAccuracy = -std::numeric_limits<double>::infinity();
  double price = 0;  // infinity: cost alone
};

/// How well a point meets a goal; smaller is better.
struct Merit {
  double missing = 0, value = 0, tie = 0;
  bool operator<(const Merit& other) const;
};
Merit meritOf(const RulePoint& point, const Goal& goal);

struct FoundThresholds {
  std::vector<float> thresholds;
  RulePoint point;
};

/// Looks for thresholds of one rule. The candidates at an exit are "nobody", cuts half-way between
/// neighbouring uncertainties of the images (at up to 100 quantiles; for the last polish, around what was
/// found) and "everybody". Thresholds are improved two exits at a time, over all pairs of candidates, from
/// the best starts, until no pair gives anything better: with one or two early exits that is every
/// combination, with more the best one can be missed.
class ThresholdSearch {
public:
  /// The attacked tables hold the clean one's images, attacked. Throws rdi::Error when the tables do not fit
  /// each other or the costs, or when there are fewer than two exits.
  ThresholdSearch(Decisions clean, std::vector<Decisions> attacked, std::vector<graph::ExitCost> costs);
  ~ThresholdSearch();

  RulePoint measure(const std::vector<float>& thresholds) const;

  /// The most accurate thresholds that were found for each cost, cheapest first; none is dearer than another
  /// without being more accurate.
  std::vector<FoundThresholds> frontier(double cleanWeight) const;

  /// The best that is found from the most promising of `starts`, such as a frontier.
  FoundThresholds best(const Goal& goal, const std::vector<FoundThresholds>& starts) const;

private:
  struct Tables;
  class Grid;
  class Archive;
  std::unique_ptr<const Tables> tables_;
  std::unique_ptr<const Grid> grid_;
};

}  // namespace rdi::train
