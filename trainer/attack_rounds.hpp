// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include "trainer/calibration.hpp"

namespace rdi::train {

/// Scores of the calibration images under the attacks that follow the rule, made for this one.
using AttackUnder = std::function<std::vector<ScoreTable>(const graph::ExitRule&)>;

/// A rule that was chosen and then attacked.
struct AttackRound {
  graph::ExitRule rule;
  RulePoint expected;  // on the attacks of the rounds before, which were made for other rules
  RulePoint found;     // under its own attack
  Merit merit;         // of what was found
};

struct SettledChoice {
  Choice choice;                     // the rule whose own attack left most; what was tried in the last round
  std::vector<AttackRound> rounds;   // the first is everybody at the main exit
  size_t best = 0;                   // the round of the rule that was chosen
  bool settled = false;              // no rule promises more
  RulePoint staticPoint;             // under the attack made for it
  std::vector<ScoreTable> attacked;  // under the attack on the chosen rule
};

/// Chooses and attacks in turn: thresholds are chosen on all attacks so far, the attack is made anew for
/// them, until no choice promises more than the best one has shown, or `roundCount` rules were attacked. A
/// rule counts by its own attack, never by another's. `tables.attacked` holds the attacks that are the same
/// for every rule. `told` hears of every round. Throws rdi::Error as chooseRule does, and when no rule meets
/// the demand under its own attack.
SettledChoice chooseUnderAttack(const Demand& demand, const std::vector<graph::ExitRule>& rules,
                                const CalibrationTables& tables, const std::vector<graph::ExitCost>& costs,
                                const AttackUnder& attackUnder, int roundCount,
                                const std::function<void(const AttackRound&)>& told);

}  // namespace rdi::train
