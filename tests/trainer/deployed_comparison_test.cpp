// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/deployed_comparison.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "graph/error.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Three exits, two classes; costs 10, 20 and 40 of a static net of 30.
DeployedFile file(float first, float second) {
  DeployedFile file;
  file.path = "net.onnx";
  file.inputShape = {1, 2, 2};
  file.classCount = 2;
  file.rule.criterion = graph::Criterion::maxProbability;
  file.rule.thresholds = {first, second};
  file.costs = {{"exit1", {8, 2}, {8, 2}}, {"exit2", {15, 0}, {18, 2}}, {"main", {30, 0}, {36, 4}}};
  return file;
}

// Logits {x, 0} at each exit: the probability of class 0 is 1 / (1 + e^-x).
ScoreTable table(const std::vector<std::vector<float>>& logits, const std::vector<uint8_t>& labels) {
  ScoreTable result;
  result.exitCount = 3;
  result.classCount = 2;
  result.count = static_cast<int64_t>(logits.size());
  result.labels = labels;
  for (const auto& row : logits)
    for (const float logit : row) result.values.insert(result.values.end(), {logit, 0});
  return result;
}

float uncertaintyOf(float logit) {
  const float scores[2] = {logit, 0};
  float probabilities[2];
  graph::toProbabilities(scores, 2, graph::Scores::logits, probabilities);
  return graph::uncertainty(probabilities, 2, graph::Criterion::maxProbability);
}

TEST(CompareDeployed, BothEnginesAreCountedAsTheyAnswered) {
  const DeployedFile net = file(0.1F, 0.2F);  // logits above 2.2 and 1.4
  const ScoreTable libtorch =
      table({{3, 3, 3}, {1, 2, 3}, {1, 1, -1}, {-4, 0, 0}}, {0, 1, 1, 1});  // leave at 1, 2, main, 1
  DeployedAnswers opencv;
  opencv.exits = {0, 1, 2, 0};
  opencv.scores = {3.00001F, 0, 2, 0, -1, 0.00002F, -4, 0};
  const DeployedComparison result = compareDeployed("clean", libtorch, opencv, net);
  EXPECT_EQ(result.name, "clean");
  EXPECT_EQ(result.count, 4);
  EXPECT_DOUBLE_EQ(result.libtorch.accuracy, 0.75);
  EXPECT_DOUBLE_EQ(result.opencv.accuracy, 0.75);
  EXPECT_EQ(result.libtorch.shares, (std::vector<double>{0.5, 0.25, 0.25}));
  EXPECT_EQ(result.opencv.shares, result.libtorch.shares);
  EXPECT_DOUBLE_EQ(result.opencv.paid, (2 * 10 + 20 + 40) / 4.0 / 30);
  EXPECT_DOUBLE_EQ(result.opencv.paper, (2 * 8 + 15 + 30) / 4.0 / 30);
  EXPECT_TRUE(result.exitDifferences.empty());
  EXPECT_EQ(result.answerDifferences, 0);
  EXPECT_NEAR(result.largestScoreDifference, 2e-5, 1e-6);
  EXPECT_NEAR(result.largestRelativeDifference, 2e-5, 1e-6);  // scale 1, before 1e-5 / 3
  EXPECT_EQ(result.imageOfLargestDifference, 2);
  EXPECT_NEAR(roundingOf({result}, net), 2e-5 * (1 + std::log(2)), 2e-6);
  EXPECT_TRUE(unexplained({result}, net, 1e-4, 1e-4).empty());
  EXPECT_EQ(unexplained({result}, net, 1e-5, 1e-4).size(), 1U);
}

TEST(CompareDeployed, AnotherExitIsExplainedByTheDistanceFromTheThreshold) {
  const float near = uncertaintyOf(1.5F), far = uncertaintyOf(0.5F);
  const DeployedFile net = file(near + 1e-6F, 0.05F);
  const ScoreTable libtorch = table({{1.5F, 1, 1}, {0.5F, 1, -1}}, {0, 1});
  DeployedAnswers opencv;
  opencv.exits = {2, 0};  // the first went on, the second, which should have, left
  opencv.scores = {1, 0, 0.5F, 0};
  const DeployedComparison result = compareDeployed("pgd", libtorch, opencv, net);
  ASSERT_EQ(result.exitDifferences.size(), 2U);
  const ExitDifference &first = result.exitDifferences[0], &second = result.exitDifferences[1];
  EXPECT_EQ(first.image, 0);
  EXPECT_EQ(first.libtorch, 0);
  EXPECT_EQ(first.opencv, 2);
  EXPECT_EQ(first.decidedAt, 0);
  EXPECT_FLOAT_EQ(first.uncertainty, near);
  EXPECT_NEAR(first.distance, 1e-6, 1e-7);
  EXPECT_EQ(second.libtorch, 2);
  EXPECT_NEAR(second.distance, far - near, 2e-6);
  EXPECT_EQ(result.answerDifferences, 1);
  EXPECT_DOUBLE_EQ(result.libtorch.accuracy, 1);
  EXPECT_DOUBLE_EQ(result.opencv.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(result.largestScoreDifference, 0);

  const double rounding = roundingOf({result}, net);
  EXPECT_GT(rounding, 1e-6);
  EXPECT_LT(rounding, 1e-5);
  const std::vector<std::string> problems = unexplained({result}, net, 1e-4, rounding);
  ASSERT_EQ(problems.size(), 1U);
  for (const char* part :
       {"pgd, image 1: main in libtorch, exit1 in OpenCV", "max_probability", "beyond the rounding"})
    EXPECT_NE(problems[0].find(part), std::string::npos) << problems[0];
  EXPECT_TRUE(unexplained({result}, net, 1e-4, 1).empty());
}

TEST(CompareDeployed, AgreementOfExitsMayBeTheCauseToo) {
  DeployedFile net = file(kInfinity, 0.4F);
  net.rule.patience = 2;
  net.rule.thresholds[0] = -kInfinity;
  // Sure at exit 2; whether exit 1 agrees hangs on 1e-6.
  const ScoreTable libtorch = table({{1e-6F, 3, 3}, {1, 3, 3}}, {0, 0});
  DeployedAnswers opencv;
  opencv.exits = {2, 2};
  opencv.scores = {3, 0, 3, 0};
  const DeployedComparison result = compareDeployed("clean", libtorch, opencv, net);
  ASSERT_EQ(result.exitDifferences.size(), 2U);
  EXPECT_LT(result.exitDifferences[0].distance, 1e-6);
  EXPECT_NEAR(result.exitDifferences[1].distance, 0.4 - uncertaintyOf(3), 1e-6);
  EXPECT_EQ(unexplained({result}, net, 1e-4, 1e-5).size(), 1U);
}

TEST(CompareDeployed, InfiniteThresholdsAndNaNAreNeverRounding) {
  const DeployedFile net = file(kInfinity, 0.1F);
  const ScoreTable libtorch = table({{1, 1, 1}}, {0});
  DeployedAnswers opencv;
  opencv.exits = {1};
  opencv.scores = {1, 0};
  EXPECT_EQ(unexplained({compareDeployed("clean", libtorch, opencv, net)}, net, 1, 1).size(), 1U);
  opencv.exits = {0};
  opencv.scores = {std::nanf(""), 0};
  EXPECT_EQ(unexplained({compareDeployed("clean", libtorch, opencv, net)}, net, 1, 1).size(), 1U);
  const ScoreTable broken = table({{std::nanf(""), std::nanf(""), std::nanf("")}}, {0});
  opencv.exits = {2};
  EXPECT_TRUE(unexplained({compareDeployed("clean", broken, opencv, net)}, net, 1e-4, 1e-5).empty());
}

TEST(CompareDeployed, ProbabilitiesAndFusedScoresAreComparedInTheFilesKind) {
  DeployedFile net = file(-kInfinity, 0.45F);
  net.rule.fusion = graph::Fusion::mean;
  const ScoreTable libtorch = table({{0, 2, 1}}, {0});
  const float mean = (0.5F + 1 / (1 + std::exp(-2.0F))) / 2;
  DeployedAnswers opencv;
  opencv.exits = {1};
  opencv.scores = {std::log(mean), std::log(1 - mean)};
  EXPECT_LT(compareDeployed("clean", libtorch, opencv, net).largestScoreDifference, 1e-6);
  net.rule.scores = graph::Scores::probabilities;
  opencv.scores = {mean, 1 - mean};
  const DeployedComparison result = compareDeployed("clean", libtorch, opencv, net);
  EXPECT_LT(result.largestScoreDifference, 1e-6);
  EXPECT_EQ(result.opencv.shares, (std::vector<double>{0, 1, 0}));
}

TEST(CompareDeployed, WhatDoesNotFitIsRefused) {
  const DeployedFile net = file(0.1F, 0.1F);
  DeployedAnswers opencv;
  opencv.exits = {3};
  opencv.scores = {1, 0};
  const auto message = [&](const ScoreTable& libtorch) {
    return test::messageOf([&] { compareDeployed("clean", libtorch, opencv, net); });
  };
  EXPECT_NE(message(table({{1, 1, 1}}, {0})).find("exit 3"), std::string::npos);
  EXPECT_NE(message(table({}, {})).find("no images"), std::string::npos);
  ScoreTable other = table({{1, 1, 1}}, {0});
  other.exitCount = 1;
  EXPECT_NE(message(other).find("found scores of 1 exits"), std::string::npos);
}

TEST(CompareDeployed, TableAndJsonSayTheSame) {
  const DeployedFile net = file(uncertaintyOf(1.5F) + 1e-6F, 0.05F);
  DeployedAnswers opencv;
  opencv.exits = {2, 2};
  opencv.scores = {1, 0, 1.25F, 0};
  const DeployedComparison result =
      compareDeployed("pgd_main", table({{1.5F, 1, 1}, {1, 1, 1}}, {0, 1}), opencv, net);
  const std::string shown = toTable({result}, net, 1e-5);
  for (const char* part :
       {"pgd_main       2     50.00   50.00     83.33  133.33      1       0     2.5e-01",
        "1 image(s) leave by another exit", "pgd_main, image 0: exit1 in libtorch, main in OpenCV"})
    EXPECT_NE(shown.find(part), std::string::npos) << shown << "\nlacks " << part;
  const nlohmann::json json = toJson({result}, net, 1e-5);
  EXPECT_EQ(json["sets"][0]["image_count"], 2);
  EXPECT_EQ(json["sets"][0]["opencv"]["exit_shares"], (std::vector<double>{0, 0, 1}));
  EXPECT_EQ(json["sets"][0]["exit_differences"][0]["decided_at"], "exit1");
  EXPECT_EQ(json["sets"][0]["largest_score_difference"], 0.25);
}

}  // namespace
}  // namespace rdi::train
