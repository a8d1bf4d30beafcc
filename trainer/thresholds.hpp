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

}  // namespace rdi::train
