// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/loss_surface.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/evaluator.hpp"

namespace rdi::train {
namespace {

class Surface : public testing::Test {
protected:
  void SetUp() override {
    images_ = dataSource(test::writeTinyData(folder_.path("data"), 20, 30)).load(Split::test);
    rule_.thresholds = {2.2F};
    options_.threads = 1;
    options_.limit = 12;
    options_.epsilon = 0.01;
    options_.side = 5;
    options_.singles = 2;
  }

  std::vector<LossSurface> survey() const { return *lossSurfaces(model_, images_, rule_, options_); }

  // Cross-entropy of an image's answer at an exit, by the scores that an evaluation gives.
  static double crossEntropy(const ScoreTable& table, int64_t image, int exit) {
    const float* scores = table.scores(image, exit);
    double sum = 0;
    for (int c = 0; c < table.classCount; ++c) sum += std::exp(static_cast<double>(scores[c]));
    return std::log(sum) - scores[table.labels[static_cast<size_t>(image)]];
  }

  ScoreTable clean() const {
    EvaluatorOptions options;
    options.threads = 1;
    options.limit = options_.limit;
    return Evaluator(model_, images_, options).run({}, rule_)->at(0).table;
  }

  test::TemporaryFolder folder_;
  onnx::ModelProto model_ = test::tinyNet(true);
  ImageSet images_;
  graph::ExitRule rule_;
  SurfaceOptions options_;
};

TEST_F(Surface, InTheMiddleIsTheLossOfTheImagesAtTheExitsTheyTake) {
  const auto surfaces = survey();
  ASSERT_EQ(surfaces.size(), 2U);
  const LossSurface& routed = surfaces[0];
  EXPECT_EQ(routed.loss, "routed");
  EXPECT_EQ(surfaces[1].loss, "soft-routed");
  const ScoreTable table = clean();
  const RuleOutcome outcome = applyRule(table, rule_);
  double mean = 0;
  for (int64_t i = 0; i < table.count; ++i)
    mean += crossEntropy(table, i, outcome.taken[static_cast<size_t>(i)]) / static_cast<double>(table.count);
  ASSERT_EQ(routed.mean.size(), 25U);
  EXPECT_NEAR(routed.mean[12], mean, 1e-4);
  EXPECT_NEAR(routed.wrong[12], 1 - outcome.accuracy, 1e-9);
  ASSERT_EQ(routed.singles.size(), 2U);
  EXPECT_NEAR(routed.singles[1][12], crossEntropy(table, 1, outcome.taken[1]), 1e-4);
}

TEST_F(Surface, TheLossRisesAlongItsGradientFartherThanAlongRandomSigns) {
  options_.epsilon = 0.005;
  for (const LossSurface& surface : survey()) {
    SCOPED_TRACE(surface.loss);
    EXPECT_GT(surface.mean[14], surface.mean[12]);
    EXPECT_LT(surface.mean[10], surface.mean[12]);
    EXPECT_GT(surface.mean[14], surface.mean[22]);
    EXPECT_LT(surface.randomWins, 0.5);
    EXPECT_EQ(surface.noGradient, 0);
  }
}

TEST_F(Surface, BatchesMakeNoDifferenceToTheMiddleAndTheGradient) {
  const auto whole = survey();
  options_.batchSize = 5;
  const auto parts = survey();
  for (size_t s = 0; s < whole.size(); ++s)
    for (const size_t place : {10, 12, 14}) EXPECT_NEAR(parts[s].mean[place], whole[s].mean[place], 1e-4);
}

// Weights so large that softmax is exactly 0 or 1: cross-entropy has no gradient at images that are right.
TEST_F(Surface, AVanishedGradientIsSeen) {
  for (auto& tensor : *model_.mutable_graph()->mutable_initializer()) {
    std::vector<float> values = graph::floatValues(tensor);
    if (tensor.dims_size() != 2) continue;
    for (float& value : values) value *= 1e5F;
    tensor = graph::floatTensor(tensor.name(), {tensor.dims(0), tensor.dims(1)}, values);
  }
  const RuleOutcome outcome = applyRule(clean(), rule_);
  images_.labels.assign(images_.labels.size(), 0);
  for (size_t i = 0; i < outcome.answers.size(); ++i)
    images_.labels[i] = static_cast<uint8_t>(outcome.answers[i]);
  const auto surfaces = survey();
  EXPECT_GT(surfaces[0].noGradient, 0.9);
}

TEST_F(Surface, ASingleExitHasOneSurface) {
  model_.mutable_graph()->mutable_output()->DeleteSubrange(0, 1);
  rule_.thresholds.clear();
  const auto surfaces = survey();
  ASSERT_EQ(surfaces.size(), 1U);
  EXPECT_EQ(surfaces[0].loss, "single");
}

TEST_F(Surface, TellsHowFarItIsAndStops) {
  size_t told = 0, all = 0;
  const auto found = lossSurfaces(
      model_, images_, rule_, options_, [&](size_t done, size_t of) { told = done, all = of; },
      [&] { return told == 7; });
  EXPECT_FALSE(found);
  EXPECT_EQ(told, 7U);
  EXPECT_EQ(all, 50U);
}

TEST_F(Surface, RefusesOptionsThatMakeNoSense) {
  const auto refusal = [&](const std::function<void(SurfaceOptions&)>& change) {
    SurfaceOptions options = options_;
    change(options);
    return test::messageOf([&] { lossSurfaces(model_, images_, rule_, options); });
  };
  EXPECT_NE(refusal([](auto& o) { o.side = 4; }).find("--grid: found 4"), std::string::npos);
  EXPECT_NE(refusal([](auto& o) { o.side = 1; }).find("--grid: found 1"), std::string::npos);
  EXPECT_NE(refusal([](auto& o) { o.epsilon = 0; }).find("--epsilon"), std::string::npos);
  EXPECT_NE(refusal([](auto& o) { o.limit = -1; }).find("--limit"), std::string::npos);
  EXPECT_NE(refusal([](auto& o) { o.batchSize = 0; }).find("--batch-size"), std::string::npos);
}

}  // namespace
}  // namespace rdi::train
