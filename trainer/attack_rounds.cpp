// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attack_rounds.hpp"

#include <algorithm>
#include <limits>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

RulePoint measured(const CalibrationTables& tables, const graph::ExitRule& rule,
                   const std::vector<graph::ExitCost>& costs) {
  std::vector<Decisions> attacked;
  for (const ScoreTable& table : tables.attacked) attacked.push_back(decisionsOf(table, rule));
  return measureRule(decisionsOf(tables.clean, rule), attacked, costs, rule.thresholds);
}

}  // namespace

SettledChoice chooseUnderAttack(const Demand& demand, const std::vector<graph::ExitRule>& rules,
                                const CalibrationTables& tables, const std::vector<graph::ExitCost>& costs,
                                const AttackUnder& attackUnder, int roundCount,
                                const std::function<void(const AttackRound&)>& told) {
  checkDemand(demand, costs);
  if (roundCount < 1) throw Error(text("--rounds: found ", roundCount, ", expected 1 or more"));
  SettledChoice result;
  result.tables = tables;
  Goal goal;
  const auto attack = [&](const graph::ExitRule& rule, const RulePoint& expected) {
    for (ScoreTable& made : attackUnder(rule)) result.tables.attacked.push_back(std::move(made));
    result.rounds.push_back({rule, expected, {}, {}});
    // All that were attacked so far, and what they are held against, face the new attack too.
    result.staticPoint = staticNet(result.tables);
    goal = goalOf(demand, result.staticPoint, true);
    for (AttackRound& round : result.rounds) {
      round.found = measured(result.tables, round.rule, costs);
      round.merit = meritOf(round.found, goal);
    }
    result.best = static_cast<size_t>(
        std::min_element(result.rounds.begin(), result.rounds.end(),
                         [](const AttackRound& a, const AttackRound& b) { return a.merit < b.merit; }) -
        result.rounds.begin());
    if (told) told(result.rounds.back());
  };

  // Everybody at the main exit: the static net's own attack, and a choice for who can pay for it.
  graph::ExitRule closed = rules.front();
  closed.fusion = graph::Fusion::last;
  closed.thresholds = graph::mainExitOnly(costs.size()).thresholds;
  attack(closed, {});
  for (int round = 0; round < roundCount && !result.settled; ++round) {
    result.choice = chooseRule(demand, rules, result.tables, costs, result.staticPoint);
    // Its own attack can only take from it: where it promises no more than another has kept, there is no
    // more.
    result.settled = !(meritOf(result.choice.point, goal) < result.rounds[result.best].merit);
    if (!result.settled) attack(result.choice.rule, result.choice.point);
  }
  const AttackRound& best = result.rounds[result.best];
  if (best.merit.missing > 0)
    throw Error(
        text("no rule that was attacked meets the demand under its own attack; ask for less, or allow more "
             "--rounds than ",
             roundCount));
  result.choice.rule = best.rule;
  result.choice.point = best.found;
  return result;
}

}  // namespace rdi::train
