// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attack_rounds.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "graph/error.hpp"
#include "tests/trainer/score_tables.hpp"

namespace rdi::train {
namespace {

using test::Answer;
using test::costsOf;
using test::tableOf;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Images of three exits, and an attacker who spoils the exit that each takes when that exit is unsure, and
// makes the earlier ones a little surer.
struct World {
  std::vector<std::vector<Answer>> answers;
  int attacks = 0;

  explicit World(int64_t count) {
    std::mt19937 random(5);
    std::uniform_real_distribution<float> sureness(0.5F, 6);
    for (int64_t i = 0; i < count; ++i)
      answers.push_back({{sureness(random), true}, {sureness(random), true}, {6, true}});
  }

  ScoreTable clean() const { return tableOf(answers); }

  std::vector<ScoreTable> attack(const graph::ExitRule& rule) {
    ++attacks;
    const RuleOutcome outcome = applyRule(clean(), rule);
    std::vector<std::vector<Answer>> attacked = answers;
    for (size_t i = 0; i < attacked.size(); ++i) {
      Answer& taken = attacked[i][static_cast<size_t>(outcome.taken[i])];
      taken.right = taken.sureness > 4;
    }
    return {tableOf(attacked)};
  }
};

Demand robust(double cost) {
  Demand demand;
  demand.policy = Policy::robust;
  demand.maxCost = cost;
  return demand;
}

TEST(AttackRounds, ARuleCountsByItsOwnAttack) {
  World world(200);
  const auto costs = costsOf({20, 60, 110});
  std::vector<AttackRound> told;
  const SettledChoice found = chooseUnderAttack(
      robust(0.8), {graph::ExitRule()}, {world.clean(), {}}, costs,
      [&](const graph::ExitRule& rule) { return world.attack(rule); }, 8,
      [&](const AttackRound& round) { told.push_back(round); });
  ASSERT_GE(found.rounds.size(), 3U);
  EXPECT_EQ(told.size(), found.rounds.size());
  EXPECT_EQ(world.attacks, static_cast<int>(found.rounds.size())) << "one attack a round";
  EXPECT_EQ(found.rounds[0].rule.thresholds, (std::vector<float>{-kInfinity, -kInfinity}));
  EXPECT_EQ(found.tables.attacked.size(), found.rounds.size());
  for (const AttackRound& round : found.rounds) {
    // No more is reported than an attack on just this rule leaves.
    EXPECT_LE(round.found.attacked, applyRule(world.attack(round.rule)[0], round.rule).accuracy + 1e-12);
    if (round.found.cost <= 0.8) {
      EXPECT_LE(round.found.attacked, found.choice.point.attacked);
    }
  }
  EXPECT_LE(found.choice.point.cost, 0.8 + 1e-9);
  // Right under the attacks of all rounds.
  std::vector<bool> unbroken(200, true);
  for (const ScoreTable& table : found.tables.attacked) {
    const std::vector<bool> right = applyRule(table, found.choice.rule).right;
    for (size_t i = 0; i < right.size(); ++i) unbroken[i] = unbroken[i] && right[i];
  }
  EXPECT_NEAR(std::count(unbroken.begin(), unbroken.end(), true) / 200.0, found.choice.point.attacked, 1e-12);
  // An attack that is stale flatters: the first choice expected more than it got.
  EXPECT_LT(told[1].found.attacked, told[1].expected.attacked);
  EXPECT_GT(found.choice.point.attacked, found.rounds[1].found.attacked) << "further rounds helped";
}

TEST(AttackRounds, SettleWhenAChoiceComesAgain) {
  World world(50);
  const ScoreTable same = world.attack({graph::Criterion::entropy,
                                        graph::Fusion::last,
                                        1,
                                        graph::Scores::logits,
                                        {-kInfinity, -kInfinity}})[0];
  const SettledChoice found =
      chooseUnderAttack(robust(0.5), {graph::ExitRule()}, {world.clean(), {}}, costsOf({20, 60, 110}),
                        [&](const graph::ExitRule&) { return std::vector<ScoreTable>{same}; }, 8, {});
  EXPECT_TRUE(found.settled);
  EXPECT_EQ(found.rounds.size(), 2U) << "an attack that never changes needs one choice";
  const SettledChoice stopped =
      chooseUnderAttack(robust(0.5), {graph::ExitRule()}, {world.clean(), {}}, costsOf({20, 60, 110}),
                        [&](const graph::ExitRule&) { return std::vector<ScoreTable>{same}; }, 1, {});
  EXPECT_FALSE(stopped.settled);
  EXPECT_EQ(stopped.rounds.size(), 2U);
}

TEST(AttackRounds, TheDropRefersToTheStaticNetUnderItsOwnAttack) {
  World world(200);
  Demand demand;
  demand.policy = Policy::cost;
  demand.maxDrop = 0.02;
  const SettledChoice found =
      chooseUnderAttack(demand, {graph::ExitRule()}, {world.clean(), {}}, costsOf({20, 60, 110}),
                        [&](const graph::ExitRule& rule) { return world.attack(rule); }, 12, {});
  EXPECT_EQ(found.staticPoint.attacked, 1) << "the main exit is sure of all";
  EXPECT_GE((found.choice.point.clean + found.choice.point.attacked) / 2, 1 - 0.02 - 1e-9);
  EXPECT_LT(found.choice.point.cost, 1.1);
}

TEST(AttackRounds, SayWhenNoRuleHolds) {
  World world(50);
  graph::ExitRule mean;
  mean.fusion = graph::Fusion::mean;
  const auto run = [&](const Demand& demand, int rounds) {
    return chooseUnderAttack(demand, {mean}, {world.clean(), {}}, costsOf({20, 60, 110}),
                             [&](const graph::ExitRule& rule) { return world.attack(rule); }, rounds, {});
  };
  EXPECT_THROW(run(robust(0.05), 3), Error);
  EXPECT_THROW(run(robust(0.5), 0), Error);
}

}  // namespace
}  // namespace rdi::train
