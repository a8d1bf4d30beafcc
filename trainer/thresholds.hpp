// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <vector>

#include "graph/cost.hpp"
#include "graph/exit_rule.hpp"
#include "trainer/score_table.hpp"

namespace rdi::train {

/// Thresholds for `rule` (whose own are ignored) by which every exit, the main one too, takes the same share
/// of the images: exit 1 the surest 1/exits of all, exit 2 as many of the rest, and so on. The rule of the
/// paper's authors.
std::vector<float> equalShares(const ScoreTable& images, const graph::ExitRule& rule);

/// Thresholds with the least average paid cost on `clean` among those that lose at most `maxDrop` (0..1) of
/// accuracy against everybody leaving by the main exit. With attacked tables of the same images, accuracy is
/// the mean of the clean one and the lowest attacked one. Never costs more than the main exit for everybody,
/// which is among the choices.
std::vector<float> leastCost(const ScoreTable& clean, const std::vector<ScoreTable>& attacked,
                             const graph::ExitRule& rule, const std::vector<graph::ExitCost>& costs,
                             double maxDrop);

}  // namespace rdi::train
