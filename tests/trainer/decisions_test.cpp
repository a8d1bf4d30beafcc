// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/decisions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "graph/error.hpp"
#include "tests/trainer/score_tables.hpp"
#include "trainer/calibration.hpp"

namespace rdi::train {
namespace {

using test::tableOf;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

ScoreTable noise(int exits, int classes, int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> score(0, 2);
  ScoreTable table;
  table.exitCount = exits;
  table.classCount = classes;
  table.count = count;
  for (int64_t i = 0; i < count * exits * classes; ++i) table.values.push_back(score(random));
  for (int64_t i = 0; i < count; ++i) table.labels.push_back(static_cast<uint8_t>(random() % classes));
  return table;
}

TEST(Decisions, AreThoseOfThePluginForEveryKindOfRule) {
  ScoreTable table = noise(5, 3, 200, 1);
  for (int64_t i = 0; i < 40; ++i) table.values[static_cast<size_t>(i * 37)] = std::nanf("");
  std::mt19937 random(2);
  std::uniform_real_distribution<float> threshold(0, 1);
  for (const graph::Scores scores : {graph::Scores::logits, graph::Scores::probabilities})
    for (graph::ExitRule rule :
         rulesToTry({graph::Criterion::entropy, graph::Criterion::maxProbability, graph::Criterion::margin},
                    {graph::Fusion::last, graph::Fusion::mean}, {1, 2, 3, 4})) {
      rule.scores = scores;
      ScoreTable given = table;
      if (scores == graph::Scores::probabilities)
        for (int64_t i = 0; i < table.count; ++i)
          for (int k = 0; k < table.exitCount; ++k)
            graph::toProbabilities(table.scores(i, k), table.classCount, graph::Scores::logits,
                                   given.values.data() + (i * table.exitCount + k) * table.classCount);
      const Decisions decisions = decisionsOf(given, rule);
      for (const std::vector<float>& thresholds :
           {std::vector<float>{threshold(random), threshold(random), threshold(random), threshold(random)},
            std::vector<float>{-kInfinity, threshold(random), kInfinity, threshold(random)},
            std::vector<float>{threshold(random), -kInfinity, threshold(random), kInfinity}}) {
        rule.thresholds = thresholds;
        const RuleOutcome outcome = applyRule(given, rule);
        for (size_t i = 0; i < decisions.count; ++i) {
          const size_t taken = exitTaken(decisions, i, thresholds);
          ASSERT_EQ(static_cast<int>(taken), outcome.taken[i]) << "image " << i;
          ASSERT_EQ(decisions.right[decisions.at(i, taken)] != 0, outcome.right[i]) << "image " << i;
        }
      }
    }
}

TEST(Decisions, TheStaticNetAnswersWithTheMainExitAlone) {
  const ScoreTable table =
      tableOf({{{9, true}, {1, false}}, {{9, false}, {1, true}}, {{9, true}, {1, true}}});
  EXPECT_EQ(staticRight(table), (std::vector<uint8_t>{0, 1, 1}));
  graph::ExitRule fused;
  fused.fusion = graph::Fusion::mean;
  const Decisions decisions = decisionsOf(table, fused);
  EXPECT_EQ(decisions.right, (std::vector<uint8_t>{1, 1, 0, 0, 1, 1})) << "the surer first exit outvotes";
  // Lost is only what the static net has right and the rule has not.
  EXPECT_EQ(againstStatic(decisions, staticRight(table)).right, (std::vector<uint8_t>{1, 1, 0, 0, 1, 1}));
  EXPECT_EQ(againstStatic(decisionsOf(table, {}), staticRight(table)).right,
            (std::vector<uint8_t>{1, 1, 0, 1, 1, 1}));
}

TEST(Decisions, WantImages) { EXPECT_THROW(decisionsOf({}, {}), Error); }

}  // namespace
}  // namespace rdi::train
