// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/trainer/score_tables.hpp"

#include <random>
#include <string>

namespace rdi::test {

train::ScoreTable tableOf(const std::vector<std::vector<Answer>>& images) {
  train::ScoreTable table;
  table.classCount = 2;
  table.exitCount = static_cast<int>(images[0].size());
  table.count = static_cast<int64_t>(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const auto label = static_cast<uint8_t>(i % 2);
    table.labels.push_back(label);
    for (const Answer& answer : images[i]) {
      const bool second = (label == 1) == answer.right;
      table.values.push_back(second ? 0 : answer.sureness);
      table.values.push_back(second ? answer.sureness : 0);
    }
  }
  return table;
}

train::ScoreTable randomTable(int exits, int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> sureness(0.1F, 6.0F), chance(0, 1);
  std::vector<std::vector<Answer>> images;
  for (int64_t i = 0; i < count; ++i) {
    std::vector<Answer> answers;
    for (int k = 0; k < exits; ++k) {
      const float sure = sureness(random);
      answers.push_back({sure, chance(random) < 0.5F + 0.07F * sure + 0.05F * static_cast<float>(k)});
    }
    images.push_back(answers);
  }
  return tableOf(images);
}

std::vector<graph::ExitCost> costsOf(const std::vector<int64_t>& paid) {
  std::vector<graph::ExitCost> costs;
  for (int64_t macs : paid) {
    graph::ExitCost cost;
    cost.exit = "exit" + std::to_string(costs.size() + 1);
    cost.own.conv = macs;
    cost.paid.conv = macs;
    costs.push_back(cost);
  }
  return costs;
}

graph::ExitRule with(graph::ExitRule rule, const std::vector<float>& thresholds) {
  rule.thresholds = thresholds;
  return rule;
}

}  // namespace rdi::test
