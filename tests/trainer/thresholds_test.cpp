// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/thresholds.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Two classes; at each exit of each image how sure it is (the logit of its answer) and whether it is right.
struct Answer {
  float sureness;
  bool right;
};

ScoreTable tableOf(const std::vector<std::vector<Answer>>& images) {
  ScoreTable table;
  table.classCount = 2;
  table.exitCount = static_cast<int>(images[0].size());
  table.count = static_cast<int64_t>(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const auto label = static_cast<uint8_t>(i % 2);
    table.labels.push_back(label);
    for (const Answer& answer : images[i]) {
      const bool second = (label == 1) == answer.right;
      table.values.push_back(second ? 0 : answer.sureness);
      table.values.push_back(second ? answer.sureness : 0);
    }
  }
  return table;
}

std::vector<graph::ExitCost> costsOf(const std::vector<int64_t>& paid) {
  std::vector<graph::ExitCost> costs;
  for (int64_t macs : paid) {
    graph::ExitCost cost;
    cost.exit = "exit" + std::to_string(costs.size() + 1);
    cost.own.conv = macs;
    cost.paid.conv = macs;
    costs.push_back(cost);
  }
  return costs;
}

ScoreTable randomTable(int exits, int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> sureness(0.1F, 6.0F), chance(0, 1);
  std::vector<std::vector<Answer>> images;
  for (int64_t i = 0; i < count; ++i) {
    std::vector<Answer> answers;
    for (int k = 0; k < exits; ++k) {
      const float sure = sureness(random);
      answers.push_back({sure, chance(random) < 0.5F + 0.07F * sure + 0.05F * static_cast<float>(k)});
    }
    images.push_back(answers);
  }
  return tableOf(images);
}

graph::ExitRule with(graph::ExitRule rule, const std::vector<float>& thresholds) {
  rule.thresholds = thresholds;
  return rule;
}

TEST(ApplyRule, CountsWhoLeavesWhereAndWhoIsRight) {
  const ScoreTable table = tableOf(
      {{{9, true}, {9, false}}, {{9, false}, {9, true}}, {{1, true}, {1, false}}, {{1, false}, {1, true}}});
  const RuleOutcome outcome =
      applyRule(table, with({}, {0.1F}));  // entropy of logit 9 is near 0, of logit 1 is 0.58
  EXPECT_EQ(outcome.shares, (std::vector<double>{0.5, 0.5}));
  EXPECT_DOUBLE_EQ(outcome.accuracy, 0.5);
  EXPECT_EQ(outcome.right, (std::vector<bool>{true, false, false, true}));
  EXPECT_EQ(outcome.accuracyForced, (std::vector<double>{0.5, 0.5}));
  const RuleOutcome closed = applyRule(table, with({}, {-kInfinity}));
  EXPECT_EQ(closed.shares, (std::vector<double>{0, 1}));
  EXPECT_TRUE(std::isnan(closed.accuracyLeaving[0]));
  EXPECT_THROW(applyRule(table, with({}, {0.1F, 0.2F})), Error);
  EXPECT_THROW(applyRule(table, with({}, {std::nanf("")})), Error);
}

TEST(EqualShares, GivesEveryExitTheSameNumberSurestFirst) {
  const ScoreTable table = randomTable(3, 90, 1);
  for (const graph::Criterion criterion :
       {graph::Criterion::entropy, graph::Criterion::maxProbability, graph::Criterion::margin}) {
    graph::ExitRule rule;
    rule.criterion = criterion;
    const RuleOutcome outcome = applyRule(table, with(rule, equalShares(table, rule)));
    for (double share : outcome.shares) EXPECT_NEAR(share, 1.0 / 3, 1e-9);
  }
}

TEST(EqualShares, NeverCountsOnScoresThatAreNoNumbers) {
  ScoreTable table = randomTable(2, 10, 2);
  for (int64_t i = 0; i < 8; ++i)
    table.values[static_cast<size_t>(i * 4)] = std::nanf("");  // exit 1 of eight images
  const RuleOutcome outcome = applyRule(table, with({}, equalShares(table, {})));
  EXPECT_NEAR(outcome.shares[0], 0.2, 1e-9);
}

TEST(LeastCost, KeepsTheAccuracyAndIsAsCheapAsTryingEverything) {
  const ScoreTable table = randomTable(3, 400, 3);
  const auto costs = costsOf({20, 60, 110});
  const graph::ExitRule rule;
  const auto costOf = [&](const std::vector<float>& thresholds) {
    return graph::paidFraction(costs, applyRule(table, with(rule, thresholds)).shares);
  };
  const double full = applyRule(table, with(rule, {-kInfinity, -kInfinity})).accuracy;
  double lastCost = 2;
  for (const double drop : {0.0, 0.02, 0.1}) {
    const std::vector<float> thresholds = leastCost(table, {}, rule, costs, drop);
    const RuleOutcome outcome = applyRule(table, with(rule, thresholds));
    EXPECT_GE(outcome.accuracy, full - drop - 1e-9);
    EXPECT_LE(costOf(thresholds), lastCost);  // more freedom is never dearer
    lastCost = costOf(thresholds);
    // A coarse grid of its own finds nothing clearly cheaper (the search steps in fiftieths of the images).
    for (float first = 0; first < 0.7F; first += 0.05F)
      for (float second = 0; second < 0.7F; second += 0.05F)
        if (applyRule(table, with(rule, {first, second})).accuracy >= full - drop) {
          EXPECT_LE(lastCost, costOf({first, second}) + 0.02);
        }
  }
}

TEST(LeastCost, SearchesManyExitsToo) {
  const ScoreTable table = randomTable(5, 300, 4);
  const auto costs = costsOf({20, 40, 60, 80, 105});
  const std::vector<float> thresholds = leastCost(table, {}, {}, costs, 0.01);
  const RuleOutcome outcome = applyRule(table, with({}, thresholds));
  const double full = applyRule(table, with({}, std::vector<float>(4, -kInfinity))).accuracy;
  EXPECT_GE(outcome.accuracy, full - 0.01 - 1e-9);
  EXPECT_LT(graph::paidFraction(costs, outcome.shares), 0.95);
}

TEST(LeastCost, ClosesAnExitThatFallsUnderAttack) {
  // On clean images exit 1 is always right and sure; attacked it is sure and wrong, while main holds.
  const ScoreTable clean = tableOf({{{8, true}, {8, true}}, {{7, true}, {8, true}}, {{6, true}, {8, true}}});
  const ScoreTable attacked =
      tableOf({{{8, false}, {8, true}}, {{7, false}, {8, true}}, {{6, false}, {8, true}}});
  const auto costs = costsOf({10, 100});
  EXPECT_EQ(applyRule(clean, with({}, leastCost(clean, {}, {}, costs, 0))).shares[0], 1);
  EXPECT_EQ(leastCost(clean, {attacked}, {}, costs, 0), (std::vector<float>{-kInfinity}));
  // Half of it is allowed: the mean of clean and attacked accuracy may fall from 1 to 1/2.
  EXPECT_EQ(applyRule(clean, with({}, leastCost(clean, {attacked}, {}, costs, 0.5))).shares[0], 1);
}

TEST(LeastCost, RefusesWhatDoesNotFit) {
  const ScoreTable table = randomTable(3, 10, 5);
  EXPECT_THROW(leastCost(table, {}, {}, costsOf({1, 2}), 0), Error);
  EXPECT_THROW(leastCost(table, {}, {}, costsOf({1, 2, 3}), -0.1), Error);
  EXPECT_THROW(leastCost(table, {}, {}, costsOf({1, 2, 3}), std::nan("")), Error);
  EXPECT_THROW(equalShares({}, {}), Error);
}

}  // namespace
}  // namespace rdi::train
