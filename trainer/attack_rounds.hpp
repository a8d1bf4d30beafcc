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
  RulePoint expected;  // under the attacks of the rounds before, none of which was made for it
  RulePoint found;     // under those of all rounds, its own among them
  Merit merit;         // of what was found
};

struct SettledChoice {
  Choice choice;                    // the best rule that was attacked; what was tried in the last round
  std::vector<AttackRound> rounds;  // the first is everybody at the main exit
  size_t best = 0;                  // the round of the rule that was chosen
  bool settled = false;             // no rule promises more
  RulePoint staticPoint;            // under the attacks of all rounds
  CalibrationTables tables;         // with the attacks of all rounds
};

/// Chooses and attacks in turn: a rule is chosen on all attacks so far, the attack is made anew for it, until
/// no rule promises more under the attacks so far than the best has kept, or `roundCount` rules were
/// attacked. Only a rule that was attacked itself is taken, and counts by what is right under the attacks of
/// all rounds. `tables.attacked` holds the attacks that are the same for every rule. `told` hears of every
/// round. Throws rdi::Error as chooseRule does, and when no rule meets the demand under its own attack.
SettledChoice chooseUnderAttack(const Demand& demand, const std::vector<graph::ExitRule>& rules,
                                const CalibrationTables& tables, const std::vector<graph::ExitCost>& costs,
                                const AttackUnder& attackUnder, int roundCount,
                                const std::function<void(const AttackRound&)>& told);

}  // namespace rdi::train
