// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/decisions.hpp"

#include <cmath>
#include <limits>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

constexpr float kNever = std::numeric_limits<float>::infinity();
constexpr float kImpatient = std::numeric_limits<float>::max();

}  // namespace

Decisions decisionsOf(const ScoreTable& table, const graph::ExitRule& rule) {
  if (table.count < 1 || table.exitCount < 1)
    throw Error(text("thresholds: found ", table.count, " images, expected at least one"));
  Decisions decisions;
  decisions.exitCount = static_cast<size_t>(table.exitCount);
  decisions.count = static_cast<size_t>(table.count);
  decisions.uncertainty.reserve(decisions.exitCount * decisions.count);
  decisions.right.reserve(decisions.exitCount * decisions.count);
  const auto classes = static_cast<size_t>(table.classCount);
  std::vector<float> fused(classes), probabilities(classes), scratch(classes);
  for (int64_t i = 0; i < table.count; ++i) {
    const std::vector<const float*> rows = table.rows(i);
    int lastAnswer = -1, inARow = 0;
    for (int k = 0; k < table.exitCount; ++k) {
      graph::fusedProbabilities(rows.data(), k, table.classCount, rule.fusion, rule.scores,
                                probabilities.data(), scratch.data());
      const float found = graph::uncertainty(probabilities.data(), table.classCount, rule.criterion);
      const int answer = graph::argmax(probabilities.data(), table.classCount);
      inARow = answer == lastAnswer ? inARow + 1 : 1;
      lastAnswer = answer;
      decisions.uncertainty.push_back(std::isnan(found)         ? kNever
                                      : inARow >= rule.patience ? found
                                                                : kImpatient);
      // The answer given is the largest score, which rounding may tell from the largest probability.
      graph::fuseScores(rows.data(), k, table.classCount, rule.fusion, rule.scores, fused.data());
      decisions.right.push_back(graph::argmax(fused.data(), table.classCount) ==
                                table.labels[static_cast<size_t>(i)]);
    }
  }
  return decisions;
}

size_t exitTaken(const Decisions& decisions, size_t image, const std::vector<float>& thresholds) {
  size_t exit = 0;
  while (exit < thresholds.size() && !(decisions.uncertainty[decisions.at(image, exit)] < thresholds[exit]))
    ++exit;
  return exit;
}

std::vector<uint8_t> staticRight(const ScoreTable& table) {
  std::vector<uint8_t> right;
  for (int64_t i = 0; i < table.count; ++i)
    right.push_back(graph::argmax(table.scores(i, table.exitCount - 1), table.classCount) ==
                    table.labels[static_cast<size_t>(i)]);
  return right;
}

Decisions againstStatic(Decisions decisions, const std::vector<uint8_t>& staticRight) {
  for (size_t i = 0; i < decisions.count; ++i)
    for (size_t k = 0; k < decisions.exitCount; ++k) {
      uint8_t& right = decisions.right[decisions.at(i, k)];
      right = right != 0 || staticRight[i] == 0;
    }
  return decisions;
}

}  // namespace rdi::train
