// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/cost.hpp"
#include "graph/exit_rule.hpp"

namespace rdi::train {

/// Scores of every exit for every image of a set, and the right answers: all that an exit rule needs.
struct ScoreTable {
  int exitCount = 0, classCount = 0;
  int64_t count = 0;
  std::vector<float> values;    // count x exitCount x classCount
  std::vector<uint8_t> labels;  // count

  const float* scores(int64_t image, int exit) const {
    return values.data() + (image * exitCount + exit) * classCount;
  }
  /// The images at these places, in this order.
  ScoreTable select(const std::vector<int64_t>& places) const;

  /// One pointer an exit, as graph::exitTaken wants them.
  std::vector<const float*> rows(int64_t image) const;
};

/// What a rule makes of a set of images.
struct RuleOutcome {
  double accuracy = 0;                  // of the exits taken, 0..1
  std::vector<double> shares;           // of the images leaving at each exit, sum 1
  std::vector<double> accuracyLeaving;  // among those leaving there; NaN when nobody does
  std::vector<double> accuracyForced;   // of each exit if everybody left there
  std::vector<bool> right;              // per image
  std::vector<int> taken, answers;      // per image: exit and class, 0-based
};

/// The rule decides by graph::exitTaken, the answer is the largest fused score.
RuleOutcome applyRule(const ScoreTable& table, const graph::ExitRule& rule);

}  // namespace rdi::train
