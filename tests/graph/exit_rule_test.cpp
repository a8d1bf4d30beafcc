// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/exit_rule.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "graph/error.hpp"

namespace rdi::graph {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Exit taken by one input; `scores[k]` are exit k's.
int taken(const std::vector<std::vector<float>>& scores, const ExitRule& rule) {
  std::vector<const float*> pointers;
  for (const auto& row : scores) pointers.push_back(row.data());
  return exitTaken(pointers.data(), static_cast<int>(scores.size()), static_cast<int>(scores[0].size()),
                   rule);
}

ExitRule ruleOf(Criterion criterion, std::vector<float> thresholds, Scores kind = Scores::probabilities) {
  ExitRule rule;
  rule.criterion = criterion;
  rule.scores = kind;
  rule.thresholds = std::move(thresholds);
  return rule;
}

TEST(ExitRule, SoftmaxIsExactOnHandWorkedLogits) {
  const float logits[] = {0, std::log(3.0f)};
  float p[2];
  toProbabilities(logits, 2, Scores::logits, p);
  EXPECT_FLOAT_EQ(p[0], 0.25f);
  EXPECT_FLOAT_EQ(p[1], 0.75f);
  toProbabilities(p, 2, Scores::probabilities, p);
  EXPECT_FLOAT_EQ(p[1], 0.75f);
  const float large[] = {1000, 1000, -1000};
  float q[3];
  toProbabilities(large, 3, Scores::logits, q);
  EXPECT_EQ(q[0], 0.5f);
  EXPECT_EQ(q[2], 0.0f);
}

TEST(ExitRule, UncertaintyIsThePapersEntropyOrTheDistanceToCertainty) {
  const float p[] = {0.25f, 0.75f};
  // -(0.25 ln 0.25001 + 0.75 ln 0.75001) = 0.25 * 1.3862544 + 0.75 * 0.2876687
  EXPECT_NEAR(uncertainty(p, 2, Criterion::entropy), 0.5623151, 1e-6);
  EXPECT_EQ(uncertainty(p, 2, Criterion::maxProbability), 0.25f);
  EXPECT_EQ(uncertainty(p, 2, Criterion::margin), 0.5f);
  const std::array<float, 10> uniform = {.1f, .1f, .1f, .1f, .1f, .1f, .1f, .1f, .1f, .1f};
  EXPECT_NEAR(uncertainty(uniform.data(), 10, Criterion::entropy), std::log(10.0) - 1e-4, 1e-6);
  EXPECT_FLOAT_EQ(uncertainty(uniform.data(), 10, Criterion::margin), 1);
  const float sure[] = {0, 1, 0};
  EXPECT_NEAR(uncertainty(sure, 3, Criterion::entropy), -1e-5, 1e-6);  // the epsilon makes it negative
  EXPECT_EQ(uncertainty(sure, 3, Criterion::maxProbability), 0);
  EXPECT_EQ(uncertainty(sure, 3, Criterion::margin), 0);
}

TEST(ExitRule, NaNIsNeverConfident) {
  for (const auto criterion : {Criterion::entropy, Criterion::maxProbability, Criterion::margin}) {
    for (const auto kind : {Scores::logits, Scores::probabilities}) {
      SCOPED_TRACE(nameOf(criterion) + " " + nameOf(kind));
      EXPECT_EQ(taken({{kNaN, 1}, {0, 1}}, ruleOf(criterion, {kInfinity}, kind)), 1);
      EXPECT_EQ(taken({{1, kNaN}, {0, 1}}, ruleOf(criterion, {kInfinity}, kind)), 1);
    }
    // Two infinite logits have no softmax; one alone neither, as inf - inf.
    EXPECT_EQ(taken({{kInfinity, kInfinity}, {0, 1}}, ruleOf(criterion, {kInfinity}, Scores::logits)), 1);
    const float p[] = {0.5f, kNaN, 0.5f};
    EXPECT_TRUE(std::isnan(uncertainty(p, 3, criterion)));
  }
}

TEST(ExitRule, LeavesStrictlyBelowTheThreshold) {
  const std::vector<std::vector<float>> scores = {{0.75f, 0.25f}, {1, 0}};
  EXPECT_EQ(taken(scores, ruleOf(Criterion::margin, {0.5f})), 1);
  EXPECT_EQ(taken(scores, ruleOf(Criterion::margin, {std::nextafter(0.5f, 1.0f)})), 0);
  EXPECT_EQ(taken(scores, ruleOf(Criterion::margin, {kInfinity})), 0);
  EXPECT_EQ(taken(scores, ruleOf(Criterion::margin, {-kInfinity})), 1);
}

TEST(ExitRule, TheFirstSureExitIsTaken) {
  const auto rule = ruleOf(Criterion::maxProbability, {0.1f, 0.3f, 0.3f});
  EXPECT_EQ(taken({{.8f, .2f}, {.6f, .4f}, {.9f, .1f}, {1, 0}}, rule), 2);
  EXPECT_EQ(taken({{.95f, .05f}, {.6f, .4f}, {.9f, .1f}, {1, 0}}, rule), 0);
  EXPECT_EQ(taken({{.8f, .2f}, {.6f, .4f}, {.6f, .4f}, {kNaN, kNaN}}, rule), 3);
}

TEST(ExitRule, PatienceAsksForAgreementOfExitsInARow) {
  auto rule = ruleOf(Criterion::maxProbability, {1, 1, 1, 1});  // always sure enough
  const std::vector<std::vector<float>> scores = {{.9f, .1f}, {.1f, .9f}, {.2f, .8f}, {.3f, .7f}, {.9f, .1f}};
  EXPECT_EQ(taken(scores, rule), 0);
  rule.patience = 2;
  EXPECT_EQ(taken(scores, rule), 2);
  rule.patience = 3;
  EXPECT_EQ(taken(scores, rule), 3);
  rule.patience = 4;
  EXPECT_EQ(taken(scores, rule), 4);
  rule.patience = 99;
  EXPECT_EQ(taken(scores, rule), 4);
  rule.thresholds[1] = std::numeric_limits<float>::infinity();  // a bound on the depth asks nobody
  EXPECT_EQ(taken(scores, rule), 1);
}

TEST(ExitRule, MeanFusionAveragesTheProbabilitiesOfExitsReached) {
  const float first[] = {.9f, .1f}, second[] = {.5f, .5f};
  const float* const scores[] = {first, second};
  float fused[2];
  fuseScores(scores, 1, 2, Fusion::mean, Scores::probabilities, fused);
  EXPECT_FLOAT_EQ(fused[0], .7f);
  EXPECT_FLOAT_EQ(fused[1], .3f);
  fuseScores(scores, 1, 2, Fusion::last, Scores::probabilities, fused);
  EXPECT_EQ(fused[0], .5f);
  fuseScores(scores, 0, 2, Fusion::mean, Scores::probabilities, fused);
  EXPECT_FLOAT_EQ(fused[0], .9f);

  auto rule = ruleOf(Criterion::maxProbability, {0.05f, 0.35f});
  rule.fusion = Fusion::mean;
  EXPECT_EQ(taken({{.9f, .1f}, {.5f, .5f}, {1, 0}}, rule), 1);  // 1 - .7 = .3 < .35; alone it would be .5
  rule.fusion = Fusion::last;
  EXPECT_EQ(taken({{.9f, .1f}, {.5f, .5f}, {1, 0}}, rule), 2);
}

TEST(ExitRule, FusedLogitsGiveTheMeanBackThroughSoftmax) {
  const float first[] = {0, std::log(3.0f)}, second[] = {std::log(9.0f), 0};  // (.25, .75) and (.9, .1)
  const float* const scores[] = {first, second};
  float fused[2], p[2];
  fuseScores(scores, 1, 2, Fusion::mean, Scores::logits, fused);
  toProbabilities(fused, 2, Scores::logits, p);
  EXPECT_NEAR(p[0], 0.575, 1e-6);
  EXPECT_NEAR(p[1], 0.425, 1e-6);
}

TEST(ExitRule, PatienceLooksAtTheFusedAnswers) {
  auto rule = ruleOf(Criterion::maxProbability, {1, 1});
  rule.patience = 2;
  // Alone the second exit disagrees with the first, .6 against .95; their mean does not.
  const std::vector<std::vector<float>> scores = {{.95f, .05f}, {.4f, .6f}, {0, 1}};
  EXPECT_EQ(taken(scores, rule), 2);
  rule.fusion = Fusion::mean;
  EXPECT_EQ(taken(scores, rule), 1);
}

TEST(ExitRule, TheFirstOfEqualScoresWins) {
  const float values[] = {1, 3, 3, 2};
  EXPECT_EQ(argmax(values, 4), 1);
}

TEST(ExitRule, ImpossibleRulesAreRefused) {
  EXPECT_NO_THROW(checkRule(ruleOf(Criterion::entropy, {0.1f, kInfinity, -kInfinity}), 4));
  EXPECT_NO_THROW(checkRule(ruleOf(Criterion::entropy, {}), 1));
  EXPECT_THROW(checkRule(ruleOf(Criterion::entropy, {0.1f}), 3), Error);
  EXPECT_THROW(checkRule(ruleOf(Criterion::entropy, {0.1f}), 1), Error);
  EXPECT_THROW(checkRule(ruleOf(Criterion::entropy, {0.1f, kNaN}), 3), Error);
  auto rule = ruleOf(Criterion::entropy, {0.1f});
  rule.patience = 0;
  EXPECT_THROW(checkRule(rule, 2), Error);
}

TEST(ExitRule, NamesAreReadBackAndOthersAreErrors) {
  for (const auto value : {Criterion::entropy, Criterion::maxProbability, Criterion::margin})
    EXPECT_EQ(criterionFromName(nameOf(value)), value);
  for (const auto value : {Fusion::last, Fusion::mean}) EXPECT_EQ(fusionFromName(nameOf(value)), value);
  for (const auto value : {Scores::logits, Scores::probabilities})
    EXPECT_EQ(scoresFromName(nameOf(value)), value);
  EXPECT_THROW(criterionFromName("Entropy"), Error);
  EXPECT_THROW(fusionFromName(""), Error);
  EXPECT_THROW(scoresFromName("odds"), Error);
}

}  // namespace
}  // namespace rdi::graph
