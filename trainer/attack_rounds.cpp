// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attack_rounds.hpp"

#include <algorithm>
#include <limits>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

RulePoint measured(const ScoreTable& clean, const std::vector<ScoreTable>& attacked,
                   const graph::ExitRule& rule, const std::vector<graph::ExitCost>& costs) {
  std::vector<Decisions> decisions;
  for (const ScoreTable& table : attacked) decisions.push_back(decisionsOf(table, rule));
  return measureRule(decisionsOf(clean, rule), decisions, costs, rule.thresholds);
}

bool isSame(const graph::ExitRule& a, const graph::ExitRule& b) {
  return a.criterion == b.criterion && a.fusion == b.fusion && a.patience == b.patience &&
         a.thresholds == b.thresholds;
}

}  // namespace

SettledChoice chooseUnderAttack(const Demand& demand, const std::vector<graph::ExitRule>& rules,
                                const CalibrationTables& tables, const std::vector<graph::ExitCost>& costs,
                                const AttackUnder& attackUnder, int roundCount,
                                const std::function<void(const AttackRound&)>& told) {
  checkDemand(demand, costs);
  if (roundCount < 1) throw Error(text("--rounds: found ", roundCount, ", expected 1 or more"));
  SettledChoice result;
  CalibrationTables all = tables;  // the attacks of every round
  Goal goal;
  const auto attack = [&](const graph::ExitRule& rule, const RulePoint& expected) {
    const std::vector<ScoreTable> made = attackUnder(rule);
    std::vector<ScoreTable> own = tables.attacked;
    own.insert(own.end(), made.begin(), made.end());
    all.attacked.insert(all.attacked.end(), made.begin(), made.end());
    AttackRound round{rule, expected, measured(tables.clean, own, rule, costs), {}};
    if (result.rounds.empty()) {  // what the others are held against
      result.staticPoint = staticNet({tables.clean, own});
      goal = goalOf(demand, result.staticPoint, true);
    }
    round.merit = meritOf(round.found, goal);
    if (result.rounds.empty() || round.merit < result.rounds[result.best].merit) {
      result.best = result.rounds.size();
      result.attacked = own;
    }
    result.rounds.push_back(round);
    if (told) told(round);
  };

  // Everybody at the main exit: the static net's own attack, and a choice for who can pay for it.
  graph::ExitRule closed = rules.front();
  closed.fusion = graph::Fusion::last;
  closed.thresholds.assign(costs.size() - 1, -std::numeric_limits<float>::infinity());
  attack(closed, {});
  for (int round = 0; round < roundCount && !result.settled; ++round) {
    result.choice = chooseRule(demand, rules, all, costs, result.staticPoint);
    // An attack made for other rules flatters: where even so nothing promises more, there is nothing more.
    result.settled = !(meritOf(result.choice.point, goal) < result.rounds[result.best].merit) ||
                     std::any_of(result.rounds.begin(), result.rounds.end(), [&](const AttackRound& past) {
                       return isSame(past.rule, result.choice.rule);
                     });
    if (!result.settled) attack(result.choice.rule, result.choice.point);
  }
  const AttackRound& best = result.rounds[result.best];
  if (best.merit.missing > 0)
    throw Error(
        text("no rule that was tried meets the demand under its own attack; ask for less, or allow more "
             "--rounds than ",
             roundCount));
  result.choice.rule = best.rule;
  result.choice.point = best.found;
  return result;
}

}  // namespace rdi::train
