// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <vector>

#include "graph/exit_rule.hpp"
#include "trainer/score_table.hpp"

namespace rdi::train {

/// Thresholds for `rule` (whose own are ignored) by which every exit, the main one too, takes the same share
/// of the images: exit 1 the surest 1/exits of all, exit 2 as many of the rest, and so on. The rule of the
/// paper's authors.
std::vector<float> equalShares(const ScoreTable& images, const graph::ExitRule& rule);

/// The same for other shares of the images, one an exit, in proportion; their sum is above 0.
std::vector<float> givenShares(const ScoreTable& images, const graph::ExitRule& rule,
                               const std::vector<double>& shares);

}  // namespace rdi::train
