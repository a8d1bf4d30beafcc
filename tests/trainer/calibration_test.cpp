// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibration.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>

#include "graph/error.hpp"
#include "tests/trainer/score_tables.hpp"
#include "trainer/thresholds.hpp"

namespace rdi::train {
namespace {

using test::costsOf;
using test::randomTable;
using test::tableOf;
using test::with;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Demand demandOf(Policy policy, double limit) {
  Demand demand;
  demand.policy = policy;
  if (policy == Policy::cost) demand.maxDrop = limit;
  if (policy == Policy::accuracy || policy == Policy::robust) demand.maxCost = limit;
  return demand;
}

Choice choose(const Demand& demand, const CalibrationTables& tables,
              const std::vector<graph::ExitCost>& costs,
              const std::vector<graph::ExitRule>& rules = {graph::ExitRule()}) {
  return chooseRule(demand, rules, tables, costs, staticNet(tables));
}

double costOf(const ScoreTable& table, const std::vector<graph::ExitCost>& costs,
              const std::vector<float>& thresholds) {
  return graph::paidFraction(costs, applyRule(table, with({}, thresholds)).shares);
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(CostPolicy, KeepsTheAccuracyAndIsAsCheapAsTryingEverything) {
  const ScoreTable table = randomTable(3, 400, 3);
  const auto costs = costsOf({20, 60, 110});
  const double full = applyRule(table, with({}, {-kInfinity, -kInfinity})).accuracy;
  double lastCost = 2;
  for (const double drop : {0.0, 0.02, 0.1}) {
    const Choice choice = choose(demandOf(Policy::cost, drop), {table, {}}, costs);
    EXPECT_GE(applyRule(table, choice.rule).accuracy, full - drop - 1e-9);
    EXPECT_NEAR(choice.point.cost, costOf(table, costs, choice.rule.thresholds), 1e-12);
    EXPECT_LE(choice.point.cost, lastCost) << "more freedom is never dearer";
    lastCost = choice.point.cost;
    for (float first = 0; first < 0.7F; first += 0.05F)
      for (float second = 0; second < 0.7F; second += 0.05F)
        if (applyRule(table, with({}, {first, second})).accuracy >= full - drop) {
          EXPECT_LE(lastCost, costOf(table, costs, {first, second}) + 0.005);
        }
  }
}

TEST(CostPolicy, SearchesManyExitsToo) {
  const ScoreTable table = randomTable(5, 300, 4);
  const auto costs = costsOf({20, 40, 60, 80, 105});
  const Choice choice = choose(demandOf(Policy::cost, 0.01), {table, {}}, costs);
  const double full = applyRule(table, with({}, std::vector<float>(4, -kInfinity))).accuracy;
  EXPECT_GE(choice.point.clean, full - 0.01 - 1e-9);
  EXPECT_LT(choice.point.cost, 0.9);
}

TEST(CostPolicy, ClosesAnExitThatFallsUnderAttack) {
  // On clean images exit 1 is always right and sure; attacked it is sure and wrong, while main holds.
  const ScoreTable clean = tableOf({{{8, true}, {8, true}}, {{7, true}, {8, true}}, {{6, true}, {8, true}}});
  const ScoreTable attacked =
      tableOf({{{8, false}, {8, true}}, {{7, false}, {8, true}}, {{6, false}, {8, true}}});
  const auto costs = costsOf({10, 100});
  EXPECT_NEAR(choose(demandOf(Policy::cost, 0), {clean, {}}, costs).point.cost, 0.1, 1e-12);
  EXPECT_EQ(choose(demandOf(Policy::cost, 0), {clean, {attacked}}, costs).rule.thresholds,
            (std::vector<float>{-kInfinity}));
  // Half of it is allowed: the mean of clean and attacked accuracy may fall from 1 to 1/2.
  EXPECT_NEAR(choose(demandOf(Policy::cost, 0.5), {clean, {attacked}}, costs).point.cost, 0.1, 1e-12);
}

TEST(AccuracyPolicy, TakesTheBestWithinTheCost) {
  // The sure image is wrong at exit 1, the unsure ones are right there and wrong later.
  const ScoreTable table =
      tableOf({{{8, false}, {8, true}}, {{3, true}, {8, false}}, {{2, true}, {8, true}}});
  const auto costs = costsOf({10, 100});
  const auto at = [&](double cost) { return choose(demandOf(Policy::accuracy, cost), {table, {}}, costs); };
  EXPECT_NEAR(at(0.1).point.clean, 2.0 / 3, 1e-12) << "all leave at exit 1";
  EXPECT_NEAR(at(1.0).point.clean, 2.0 / 3, 1e-12) << "letting the surest go loses as much as main does";
  EXPECT_NEAR(at(1.0).point.cost, 0.1, 1e-12) << "of equals the cheapest";
  EXPECT_EQ(nameOf(policyFromName("accuracy")), "accuracy");
}

TEST(AccuracyPolicy, NeverCostsMoreAndNeverGetsWorseWithMoreToSpend) {
  const ScoreTable table = randomTable(4, 300, 11);
  const auto costs = costsOf({20, 50, 80, 108});
  double last = 0;
  for (const double cost : {0.2, 0.35, 0.5, 0.7, 0.9, 1.2}) {
    const Choice choice = choose(demandOf(Policy::accuracy, cost), {table, {}}, costs);
    EXPECT_LE(choice.point.cost, cost + 1e-9);
    EXPECT_GE(choice.point.clean, last - 1e-9);
    last = choice.point.clean;
  }
}

TEST(RobustPolicy, CountsWhatIsRightUnderEveryAttackAlone) {
  // Clean images are right everywhere; one attack breaks exit 1, the other breaks main for the first image.
  const ScoreTable clean = tableOf({{{8, true}, {8, true}}, {{7, true}, {8, true}}});
  const ScoreTable first = tableOf({{{8, true}, {8, true}}, {{7, false}, {8, true}}});
  const ScoreTable second = tableOf({{{8, true}, {8, false}}, {{7, true}, {8, true}}});
  const auto costs = costsOf({10, 100});
  const Choice choice = choose(demandOf(Policy::robust, 0.9), {clean, {first, second}}, costs);
  EXPECT_EQ(choice.point.attacked, 1) << "the surest image leaves, the other goes on";
  EXPECT_NEAR(choice.point.cost, 0.55, 1e-12);
  EXPECT_NE(refusal([&] {
              choose(demandOf(Policy::robust, 0.9), {clean, {}}, costs);
            }).find("--attack"),
            std::string::npos);
}

TEST(ChooseRule, FindsTheRuleThatHelpsAndPrefersTheSimplerOfEquals) {
  // Exit 1 is sure and wrong, exit 2 disagrees and is right: only patience keeps everybody from leaving at 1.
  const ScoreTable table = tableOf({{{8, false}, {7, true}, {7, true}},
                                    {{8, false}, {7, true}, {7, true}},
                                    {{2, true}, {7, true}, {7, true}}});
  const auto costs = costsOf({10, 50, 100});
  const auto rules = rulesToTry({graph::Criterion::margin, graph::Criterion::entropy},
                                {graph::Fusion::last, graph::Fusion::mean, graph::Fusion::last}, {2, 1});
  ASSERT_EQ(rules.size(), 8U) << "named twice is tried once";
  EXPECT_EQ(rules[0].patience, 1);
  EXPECT_EQ(graph::nameOf(rules[0].fusion), "last");
  EXPECT_EQ(graph::nameOf(rules[0].criterion), "entropy");
  const Choice choice = choose(demandOf(Policy::cost, 0), {table, {}}, costs, rules);
  ASSERT_EQ(choice.tried.size(), 8U);
  // All are right when all leave at exit 2, which every kind of rule can do: the first is taken.
  EXPECT_NEAR(choice.point.cost, 0.5, 1e-12);
  EXPECT_EQ(choice.rule.patience, 1);
  EXPECT_EQ(graph::nameOf(choice.rule.criterion), "entropy");
  EXPECT_EQ(graph::nameOf(choice.rule.fusion), "last");

  // Where the last image is the surest, and right only at exit 1, patience 1 gains it.
  const ScoreTable second =
      tableOf({{{9, true}, {7, false}, {7, false}}, {{3, false}, {7, true}, {7, true}}});
  const Choice patient = choose(demandOf(Policy::accuracy, 1), {second, {}}, costs,
                                rulesToTry({graph::Criterion::entropy}, {graph::Fusion::last}, {1, 2}));
  EXPECT_EQ(patient.rule.patience, 1);
  EXPECT_EQ(patient.point.clean, 1);
  EXPECT_NEAR(patient.tried[1].point.clean, 0.5, 1e-12);
}

TEST(EqualSharesPolicy, IsTheAuthorsRule) {
  const ScoreTable table = randomTable(3, 90, 1);
  const Choice choice = choose({}, {table, {}}, costsOf({20, 60, 100}));
  EXPECT_EQ(choice.rule.thresholds, equalShares(table, {}));
}

TEST(StaticNet, IsTheMainExitAlone) {
  const ScoreTable clean = tableOf({{{9, false}, {1, true}}, {{9, true}, {1, false}}});
  const ScoreTable other = tableOf({{{9, true}, {1, false}}, {{9, true}, {1, true}}});
  const RulePoint point = staticNet({clean, {clean, other}});
  EXPECT_EQ(point.cost, 1);
  EXPECT_EQ(point.clean, 0.5);
  EXPECT_EQ(point.attacked, 0) << "each attack leaves half of the images, together they leave none";
  EXPECT_EQ(staticNet({clean, {other}}).attacked, 0.5);
}

TEST(ChooseRule, SaysWhatIsWrongWithADemand) {
  const ScoreTable table = randomTable(3, 50, 5);
  const auto costs = costsOf({20, 60, 100});
  const auto refused = [&](const Demand& demand) {
    return refusal([&] { choose(demand, {table, {}}, costs); });
  };
  EXPECT_NE(refused(demandOf(Policy::accuracy, 0.15)).find("expected at least 20, what exit1 costs"),
            std::string::npos)
      << refused(demandOf(Policy::accuracy, 0.15));
  EXPECT_NE(refused(demandOf(Policy::accuracy, std::nan(""))).find("--max-cost"), std::string::npos);
  EXPECT_NE(refused(demandOf(Policy::cost, -0.1)).find("--max-drop"), std::string::npos);
  EXPECT_NE(refused(demandOf(Policy::cost, std::nan(""))).find("--max-drop"), std::string::npos);
  EXPECT_NE(refusal([&] {
              choose({}, {randomTable(1, 5, 1), {}}, costsOf({100}));
            }).find("one exit"),
            std::string::npos);
  EXPECT_THROW(policyFromName("magic"), Error);
}

TEST(ChooseRule, SaysWhatWasReachedWhenADemandCannotBeMet) {
  // Scores that are no numbers go on to the main exit, so no threshold is cheap enough.
  ScoreTable blind = randomTable(2, 10, 5);
  for (int64_t i = 0; i < 10; ++i) blind.values[static_cast<size_t>(i * 4)] = std::nanf("");
  EXPECT_NE(refusal([&] {
              choose(demandOf(Policy::accuracy, 0.5), {blind, {}}, costsOf({20, 100}));
            }).find("least that was reached is 100 %"),
            std::string::npos);
  // Fusion outvotes the main exit, which alone is right.
  const ScoreTable outvoted = tableOf({{{9, false}, {1, true}}, {{9, false}, {1, true}}});
  graph::ExitRule mean;
  mean.fusion = graph::Fusion::mean;
  const std::string message = refusal([&] {
    choose(demandOf(Policy::cost, 0.1), {outvoted, {}}, costsOf({20, 100}), {mean});
  });
  EXPECT_NE(message.find("keeps 90 %; the nearest has 0 %"), std::string::npos) << message;
}

TEST(ChooseRule, ChoosesAmongAllRulesForSevenExitsInSeconds) {
  const auto costs = costsOf({20, 35, 50, 65, 80, 95, 115});
  const CalibrationTables tables{randomTable(7, 5000, 1), {randomTable(7, 5000, 2), randomTable(7, 5000, 3)}};
  const auto rules =
      rulesToTry({graph::Criterion::entropy, graph::Criterion::maxProbability, graph::Criterion::margin},
                 {graph::Fusion::last, graph::Fusion::mean}, {1, 2, 3});
  const auto start = std::chrono::steady_clock::now();
  const Choice choice = choose(demandOf(Policy::robust, 0.6), tables, costs, rules);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  RecordProperty("seconds", std::to_string(seconds));
  EXPECT_LE(choice.point.cost, 0.6 + 1e-9);
  EXPECT_LT(seconds, 120) << "seconds on an idle machine";
}

}  // namespace
}  // namespace rdi::train
