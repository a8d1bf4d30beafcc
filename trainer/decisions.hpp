// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "graph/exit_rule.hpp"
#include "trainer/score_table.hpp"

namespace rdi::train {

/// A score table as thresholds see it, once criterion, fusion and patience are settled. Image-major.
struct Decisions {
  size_t exitCount = 0, count = 0;
  /// At each exit: an image leaves when this is below the exit's threshold. The largest float where the exits
  /// do not agree long enough (only an infinite threshold lets it go), infinity for scores that are NaN.
  std::vector<float> uncertainty;
  std::vector<uint8_t> right;  // 1 when the image leaves there with the right answer

  size_t at(size_t image, size_t exit) const { return image * exitCount + exit; }
};

/// Decides as graph::leavesAt does; the thresholds of `rule` are ignored.
Decisions decisionsOf(const ScoreTable& table, const graph::ExitRule& rule);

/// The exit that an image takes, as graph::exitTaken finds it. One threshold for every exit but the main one.
size_t exitTaken(const Decisions& decisions, size_t image, const std::vector<float>& thresholds);

/// 1 for every image that the main exit's own scores get right: what the static net answers.
std::vector<uint8_t> staticRight(const ScoreTable& table);

/// `right` turned into "not lost": 0 only where the static net is right and this exit is wrong.
Decisions againstStatic(Decisions decisions, const std::vector<uint8_t>& staticRight);

}  // namespace rdi::train
