// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/thresholds.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "graph/error.hpp"
#include "tests/trainer/score_tables.hpp"

namespace rdi::train {
namespace {

using test::costsOf;
using test::randomTable;
using test::tableOf;
using test::with;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(ApplyRule, CountsWhoLeavesWhereAndWhoIsRight) {
  const ScoreTable table = tableOf(
      {{{9, true}, {9, false}}, {{9, false}, {9, true}}, {{1, true}, {1, false}}, {{1, false}, {1, true}}});
  const RuleOutcome outcome =
      applyRule(table, with({}, {0.1F}));  // entropy of logit 9 is near 0, of logit 1 is 0.58
  EXPECT_EQ(outcome.shares, (std::vector<double>{0.5, 0.5}));
  EXPECT_DOUBLE_EQ(outcome.accuracy, 0.5);
  EXPECT_EQ(outcome.right, (std::vector<bool>{true, false, false, true}));
  EXPECT_EQ(outcome.accuracyForced, (std::vector<double>{0.5, 0.5}));
  const RuleOutcome closed = applyRule(table, with({}, {-kInfinity}));
  EXPECT_EQ(closed.shares, (std::vector<double>{0, 1}));
  EXPECT_TRUE(std::isnan(closed.accuracyLeaving[0]));
  EXPECT_THROW(applyRule(table, with({}, {0.1F, 0.2F})), Error);
  EXPECT_THROW(applyRule(table, with({}, {std::nanf("")})), Error);
}

TEST(ScoreTable, SelectsImagesInAnyOrder) {
  const ScoreTable table = randomTable(3, 5, 1);
  const ScoreTable part = table.select({3, 0});
  EXPECT_EQ(part.count, 2);
  EXPECT_EQ(part.labels, (std::vector<uint8_t>{table.labels[3], table.labels[0]}));
  for (int k = 0; k < 3; ++k) {
    EXPECT_EQ(part.scores(0, k)[1], table.scores(3, k)[1]);
    EXPECT_EQ(part.scores(1, k)[0], table.scores(0, k)[0]);
  }
}

TEST(EqualShares, GivesEveryExitTheSameNumberSurestFirst) {
  const ScoreTable table = randomTable(3, 90, 1);
  for (const graph::Criterion criterion :
       {graph::Criterion::entropy, graph::Criterion::maxProbability, graph::Criterion::margin}) {
    graph::ExitRule rule;
    rule.criterion = criterion;
    const RuleOutcome outcome = applyRule(table, with(rule, equalShares(table, rule)));
    for (double share : outcome.shares) EXPECT_NEAR(share, 1.0 / 3, 1e-9);
  }
}

TEST(EqualShares, NeverCountsOnScoresThatAreNoNumbers) {
  ScoreTable table = randomTable(2, 10, 2);
  for (int64_t i = 0; i < 8; ++i)
    table.values[static_cast<size_t>(i * 4)] = std::nanf("");  // exit 1 of eight images
  const RuleOutcome outcome = applyRule(table, with({}, equalShares(table, {})));
  EXPECT_NEAR(outcome.shares[0], 0.2, 1e-9);
}

TEST(EqualShares, WantImages) { EXPECT_THROW(equalShares({}, {}), Error); }

}  // namespace
}  // namespace rdi::train
