// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/score_table.hpp"

#include <limits>

namespace rdi::train {

std::vector<const float*> ScoreTable::rows(int64_t image) const {
  std::vector<const float*> result(static_cast<size_t>(exitCount));
  for (int k = 0; k < exitCount; ++k) result[static_cast<size_t>(k)] = scores(image, k);
  return result;
}

ScoreTable ScoreTable::select(const std::vector<int64_t>& places) const {
  ScoreTable part;
  part.exitCount = exitCount;
  part.classCount = classCount;
  part.count = static_cast<int64_t>(places.size());
  for (int64_t place : places) {
    part.values.insert(part.values.end(), scores(place, 0), scores(place, 0) + exitCount * classCount);
    part.labels.push_back(labels[static_cast<size_t>(place)]);
  }
  return part;
}

RuleOutcome applyRule(const ScoreTable& table, const graph::ExitRule& rule) {
  graph::checkRule(rule, static_cast<size_t>(table.exitCount));
  const auto exits = static_cast<size_t>(table.exitCount);
  std::vector<int64_t> leaving(exits), rightLeaving(exits), rightForced(exits);
  std::vector<float> fused(static_cast<size_t>(table.classCount));
  RuleOutcome outcome;
  outcome.right.resize(static_cast<size_t>(table.count));
  outcome.answers.resize(static_cast<size_t>(table.count));
  for (int64_t i = 0; i < table.count; ++i) {
    const std::vector<const float*> rows = table.rows(i);
    const int taken = graph::exitTaken(rows.data(), table.exitCount, table.classCount, rule);
    for (int k = 0; k < table.exitCount; ++k) {
      graph::fuseScores(rows.data(), k, table.classCount, rule.fusion, rule.scores, fused.data());
      const int answer = graph::argmax(fused.data(), table.classCount);
      const bool right = answer == table.labels[static_cast<size_t>(i)];
      rightForced[static_cast<size_t>(k)] += right;
      if (k != taken) continue;
      ++leaving[static_cast<size_t>(k)];
      rightLeaving[static_cast<size_t>(k)] += right;
      outcome.right[static_cast<size_t>(i)] = right;
      outcome.answers[static_cast<size_t>(i)] = answer;
    }
    outcome.taken.push_back(taken);
  }
  const auto count = static_cast<double>(table.count);
  for (size_t k = 0; k < exits; ++k) {
    outcome.accuracy += static_cast<double>(rightLeaving[k]) / count;
    outcome.shares.push_back(static_cast<double>(leaving[k]) / count);
    outcome.accuracyForced.push_back(static_cast<double>(rightForced[k]) / count);
    outcome.accuracyLeaving.push_back(leaving[k] == 0 ? std::numeric_limits<double>::quiet_NaN()
                                                      : static_cast<double>(rightLeaving[k]) /
                                                            static_cast<double>(leaving[k]));
  }
  return outcome;
}

}  // namespace rdi::train
