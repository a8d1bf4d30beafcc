// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/training_curves.hpp"

#include <gtest/gtest.h>

#include "trainer/training_metrics.hpp"

#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

std::vector<nlohmann::json> someMetrics(int64_t lines) {
  std::vector<nlohmann::json> result;
  for (int64_t i = 1; i <= lines; ++i) {
    TrainProgress progress;
    progress.iteration = i * 10;
    progress.loss = 2.0 / static_cast<double>(i);
    progress.cleanAccuracy = {0.1, 0.5};
    progress.robustAccuracy = {0.1, 0.25};
    progress.learningRate = 0.1;
    result.push_back(toJson(progress, 1));
    if (i % 5 != 0) continue;
    Validation validation;
    validation.clean = {0.2, 0.6};
    validation.attacked = {0.1, 0.3};
    result.push_back({{"iteration", i * 10}, {"validation", toJson(validation)}});
  }
  return result;
}

TEST(TrainingCurves, ShowTheMainExitInPercentOverTheIterations) {
  const auto metrics = someMetrics(10);
  const LinePlot plot = accuracyPlot(metrics);
  ASSERT_EQ(plot.series.size(), 4U);
  EXPECT_EQ(plot.series[0].name, "training, clean");
  EXPECT_DOUBLE_EQ(plot.series[0].y[0], 50);
  EXPECT_DOUBLE_EQ(plot.series[1].y[0], 25);
  EXPECT_EQ(plot.series[3].name, "held out, attacked");
  EXPECT_EQ(plot.series[3].x, (std::vector<double>{50, 100}));
  EXPECT_DOUBLE_EQ(plot.series[3].y[1], 30);
  EXPECT_EQ(lossPlot(metrics).series[0].x.size(), 10U);
  EXPECT_EQ(learningRatePlot(metrics).series[0].y.back(), 0.1);
}

TEST(TrainingCurves, WhatIsNotMeasuredHasNoCurve) {
  TrainProgress progress;
  progress.iteration = 1;
  progress.cleanAccuracy = {0.5};
  EXPECT_EQ(accuracyPlot({toJson(progress, 1)}).series.size(), 1U);
  EXPECT_TRUE(accuracyPlot({}).series.empty());
}

TEST(TrainingCurves, ALongRunIsThinnedAndKeepsItsEnds) {
  const LinePlot plot = lossPlot(someMetrics(20000));
  EXPECT_LE(plot.series[0].x.size(), 1000U);
  EXPECT_EQ(plot.series[0].x.front(), 10);
  EXPECT_EQ(plot.series[0].x.back(), 200000);
}

TEST(MetricsFile, LeavesOutWhatADyingProgramCutShortAndLaterIterations) {
  const test::TemporaryFolder folder;
  const MetricsFile file(folder.path("metrics.jsonl"));
  EXPECT_TRUE(file.lines().empty());
  file.keepUpTo(3);  // nothing there yet
  for (const int iteration : {1, 2, 3, 4}) file.append({{"iteration", iteration}});
  test::writeFile(folder.path("metrics.jsonl"), "{\"iteration\":1}\n{\"iteration\":2}\n{\"iterat");
  EXPECT_EQ(file.lines().size(), 2U);
  file.keepUpTo(1);
  file.append({{"iteration", 2}, {"loss", 0.5}});
  ASSERT_EQ(file.lines().size(), 2U);
  EXPECT_EQ(file.lines()[1]["loss"], 0.5);
}

TEST(Validation, IsJudgedByTheMeanOverTheExitsUnderAttack) {
  Validation validation;
  validation.clean = {1, 1};
  validation.attacked = {0.2, 0.4};
  validation.clean = {0.8, 0.9};
  EXPECT_DOUBLE_EQ(keptBy(validation), 0.3);
  validation.attacked = {};  // a training that attacks nothing
  EXPECT_DOUBLE_EQ(keptBy(validation), 0.85);
  EXPECT_DOUBLE_EQ(keptBy({}), 0);
}

}  // namespace
}  // namespace rdi::train
