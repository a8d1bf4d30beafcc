// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/threshold_search.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "graph/error.hpp"
#include "tests/trainer/score_tables.hpp"

namespace rdi::train {
namespace {

using test::costsOf;
using test::randomTable;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<int64_t> stairs(int exits) {
  std::vector<int64_t> paid;
  for (int k = 0; k < exits; ++k) paid.push_back(20 + 17 * k + 3 * k * k);
  return paid;
}

// Every combination of thresholds that makes a difference.
Merit bestOfAll(const Decisions& clean, const std::vector<Decisions>& attacked,
                const std::vector<graph::ExitCost>& costs, const Goal& goal) {
  std::vector<std::vector<float>> candidates;
  for (size_t k = 0; k + 1 < clean.exitCount; ++k) {
    std::set<float> values = {-kInfinity, kInfinity, std::numeric_limits<float>::max()};
    for (size_t i = 0; i < clean.count; ++i) {
      values.insert(clean.uncertainty[clean.at(i, k)]);
      for (const Decisions& decisions : attacked) values.insert(decisions.uncertainty[decisions.at(i, k)]);
    }
    candidates.emplace_back(values.begin(), values.end());
  }
  std::vector<size_t> index(candidates.size());
  std::vector<float> thresholds(candidates.size());
  Merit best{kInfinity, 0, 0};
  for (;;) {
    for (size_t k = 0; k < index.size(); ++k) thresholds[k] = candidates[k][index[k]];
    best = std::min(best, meritOf(measureRule(clean, attacked, costs, thresholds), goal));
    size_t k = 0;
    while (k < index.size() && ++index[k] == candidates[k].size()) index[k++] = 0;
    if (k == index.size()) return best;
  }
}

std::vector<Goal> goals() {
  Goal cheap, accurate, robust, priced;
  cheap.leastAccuracy = 0.55;
  cheap.price = std::numeric_limits<double>::infinity();
  cheap.cleanWeight = 0.5;
  accurate.mostCost = 0.6;
  robust.mostCost = 0.7;
  robust.cleanWeight = 0;
  priced.price = 0.2;
  return {cheap, accurate, robust, priced};
}

// What is found against what is possible, over many small sets of images: how often it is missed.
int misses(int exits, int64_t images, int trials) {
  int result = 0;
  const auto costs = costsOf(stairs(exits));
  for (int trial = 0; trial < trials; ++trial) {
    graph::ExitRule rule;
    rule.fusion = trial % 2 ? graph::Fusion::mean : graph::Fusion::last;
    rule.patience = 1 + trial % 3 % 2;
    rule.criterion = trial % 5 ? graph::Criterion::margin : graph::Criterion::entropy;
    const auto draw = [&](uint32_t seed) {
      return decisionsOf(randomTable(exits, images, seed + static_cast<uint32_t>(trial)), rule);
    };
    const Decisions clean = draw(100);
    const std::vector<Decisions> attacked = {draw(1000), draw(2000), draw(3000)};
    const ThresholdSearch search(clean, attacked, costs);
    for (const Goal& goal : goals()) {
      const FoundThresholds found = search.best(goal, search.frontier(goal.cleanWeight));
      const Merit merit = meritOf(found.point, goal), possible = bestOfAll(clean, attacked, costs, goal);
      EXPECT_GE(merit.missing, possible.missing - 1e-9);
      if (possible.missing < merit.missing - 1e-9 ||
          (possible.missing == merit.missing && possible.value < merit.value - 1e-9))
        ++result;
    }
  }
  return result;
}

TEST(ThresholdSearch, FindsTheBestOfOneOrTwoThresholds) {
  EXPECT_EQ(misses(2, 20, 20), 0);
  EXPECT_EQ(misses(3, 20, 20), 0);
}

TEST(ThresholdSearch, HardlyEverMissesTheBestOfMoreThresholds) {
  EXPECT_LE(misses(4, 6, 15), 1);  // of 60
  EXPECT_LE(misses(5, 3, 10), 1);  // of 40
}

TEST(ThresholdSearch, MeasuresAsTheExitRuleDoes) {
  const ScoreTable clean = randomTable(4, 50, 7), first = randomTable(4, 50, 8),
                   second = randomTable(4, 50, 9);
  const auto costs = costsOf({20, 40, 70, 105});
  graph::ExitRule rule;
  rule.patience = 2;
  const ThresholdSearch search(decisionsOf(clean, rule),
                               {decisionsOf(first, rule), decisionsOf(second, rule)}, costs);
  for (const FoundThresholds& found : search.frontier(0.5)) {
    rule.thresholds = found.thresholds;
    const RuleOutcome outcome = applyRule(clean, rule);
    EXPECT_NEAR(found.point.cost, graph::paidFraction(costs, outcome.shares), 1e-12);
    EXPECT_NEAR(found.point.clean, outcome.accuracy, 1e-12);
    const std::vector<bool> right = applyRule(first, rule).right, alsoRight = applyRule(second, rule).right;
    int unbroken = 0;
    for (size_t i = 0; i < right.size(); ++i) unbroken += right[i] && alsoRight[i];
    EXPECT_NEAR(found.point.attacked, unbroken / 50.0, 1e-12);
    const RulePoint again = search.measure(found.thresholds);
    EXPECT_EQ(again.cost, found.point.cost);
    EXPECT_EQ(again.clean, found.point.clean);
    EXPECT_EQ(again.attacked, found.point.attacked);
  }
}

TEST(ThresholdSearch, TheFrontierRisesFromTheCheapestToTheMostAccurate) {
  const ScoreTable table = randomTable(3, 300, 9);
  const auto costs = costsOf({20, 60, 110});
  const ThresholdSearch search(decisionsOf(table, {}), {}, costs);
  const std::vector<FoundThresholds> frontier = search.frontier(1);
  ASSERT_GT(frontier.size(), 10U);
  EXPECT_NEAR(frontier.front().point.cost, 20.0 / 110, 1e-12) << "everybody at exit 1";
  for (size_t i = 1; i < frontier.size(); ++i) {
    EXPECT_GT(frontier[i].point.cost, frontier[i - 1].point.cost);
    EXPECT_GT(frontier[i].point.clean, frontier[i - 1].point.clean);
  }
  // At any cost in between nothing better is found by searching for that cost alone.
  for (const double cost : {0.3, 0.5, 0.7}) {
    Goal goal;
    goal.mostCost = cost;
    const double best = search.best(goal, frontier).point.clean;
    double onFrontier = 0;
    for (const FoundThresholds& found : frontier)
      if (found.point.cost <= cost) onFrontier = std::max(onFrontier, found.point.clean);
    EXPECT_GE(best, onFrontier);
    EXPECT_NEAR(best, onFrontier, 0.011);  // the frontier steps in quantiles
  }
}

TEST(ThresholdSearch, ThresholdsLieBetweenTheImages) {
  const ScoreTable table = test::tableOf({{{8, true}, {8, true}}, {{2, false}, {8, true}}});
  const Decisions decisions = decisionsOf(table, {});
  Goal goal;
  goal.mostCost = 0.7;
  const ThresholdSearch search(decisions, {}, costsOf({20, 100}));
  const FoundThresholds found = search.best(goal, {});
  EXPECT_NEAR(found.thresholds[0], (decisions.uncertainty[0] + decisions.uncertainty[2]) / 2, 1e-6);
  EXPECT_EQ(found.point.clean, 1);
}

TEST(ThresholdSearch, LimitsThatCannotBeKeptAreBrokenAsLittleAsCanBe) {
  const ScoreTable table = randomTable(3, 60, 3);
  Goal goal;
  goal.mostCost = 0.1;
  const ThresholdSearch search(decisionsOf(table, {}), {}, costsOf({20, 60, 110}));
  const FoundThresholds found = search.best(goal, search.frontier(1));
  EXPECT_NEAR(found.point.cost, 20.0 / 110, 1e-12);
  EXPECT_NEAR(meritOf(found.point, goal).missing, 20.0 / 110 - 0.1, 1e-12);
}

TEST(ThresholdSearch, RefusesWhatDoesNotFit) {
  const Decisions three = decisionsOf(randomTable(3, 10, 1), {});
  EXPECT_THROW(ThresholdSearch(three, {}, costsOf({1, 2})), Error);
  EXPECT_THROW(ThresholdSearch(three, {decisionsOf(randomTable(3, 9, 1), {})}, costsOf({1, 2, 3})), Error);
  EXPECT_THROW(ThresholdSearch(three, {decisionsOf(randomTable(2, 10, 1), {})}, costsOf({1, 2, 3})), Error);
  EXPECT_THROW(ThresholdSearch(decisionsOf(randomTable(1, 10, 1), {}), {}, costsOf({1})), Error);
}

}  // namespace
}  // namespace rdi::train
