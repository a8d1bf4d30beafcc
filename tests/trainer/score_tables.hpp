// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <vector>

#include "graph/cost.hpp"
#include "graph/exit_rule.hpp"
#include "trainer/score_table.hpp"

namespace rdi::test {

/// At one exit of one image: the logit of its answer, which says how sure it is, and whether it is right.
struct Answer {
  float sureness;
  bool right;
};

/// Two classes; the label of image i is i % 2. One row of answers an image.
train::ScoreTable tableOf(const std::vector<std::vector<Answer>>& images);

/// Surer answers are right more often, later ones a little more often.
train::ScoreTable randomTable(int exits, int64_t count, uint32_t seed);

/// What is paid up to each exit; the static net costs what the main exit does.
std::vector<graph::ExitCost> costsOf(const std::vector<int64_t>& paid);

graph::ExitRule with(graph::ExitRule rule, const std::vector<float>& thresholds);

}  // namespace rdi::test
