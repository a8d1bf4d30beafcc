// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/frontier.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/trainer/page.hpp"
#include "tests/trainer/sample_evaluation.hpp"
#include "trainer/evaluation_summary.hpp"

namespace rdi::train {
namespace {

FrontierPoint point(const std::string& name, double mmac, double robust, std::vector<float> thresholds,
                    graph::Fusion fusion = graph::Fusion::last) {
  FrontierPoint result;
  result.name = name;
  result.rule.fusion = fusion;
  result.rule.thresholds = std::move(thresholds);
  result.paidMmac = mmac;
  result.clean = robust + 0.3;
  result.unionAccuracy = robust;
  return result;
}

Frontier sample() {
  Frontier frontier;
  frontier.data = "cifar10";
  frontier.set = "test";
  frontier.imageCount = 400;
  frontier.reference = "models/large.onnx";
  frontier.referenceMmac = 80;
  frontier.models = {{"models/large.onnx",
                      2,
                      80,
                      {point("static net", 80, 0.5, {-INFINITY}), point("", 70, 0.48, {0.2F}),
                       point("shipped", 40, 0.45, {0.4F}), point("", 60, 0.44, {0.5F}, graph::Fusion::mean)}},
                     {"models/thin.onnx", 1, 40, {point("static net", 40, 0.42, {})}}};
  return frontier;
}

TEST(FrontierPoint, HoldsTheFiguresThatAnEvaluationLeadsWith) {
  const Evaluation evaluation = test::multiExitSample();
  const EvaluationSummary summary = summarize(evaluation);
  const FrontierPoint found = pointOf("shipped", evaluation);
  EXPECT_EQ(found.name, "shipped");
  EXPECT_EQ(found.rule.thresholds, evaluation.rule.thresholds);
  EXPECT_DOUBLE_EQ(found.paidMmac, cleanCost(evaluation).paidMmac);
  EXPECT_DOUBLE_EQ(found.clean, 0.848);
  EXPECT_DOUBLE_EQ(found.unionAccuracy, 0.237);
  EXPECT_EQ(found.worstAttack, "apgd-ce soft-routed");
  EXPECT_GT(found.slowdownMmac, found.paidMmac);
  EXPECT_DOUBLE_EQ(found.slowdownMmac,
                   averageCost(evaluation.costs, evaluation.rows[*summary.slowdown].outcome.shares).paidMmac);

  const FrontierPoint alone = pointOf("static net", test::singleExitSample());
  EXPECT_TRUE(std::isnan(alone.slowdownMmac)) << "nothing to slow down";
  EXPECT_DOUBLE_EQ(alone.paidMmac, static_cast<double>(test::singleExitSample().costs[0].own.total()) / 1e6);
}

TEST(Frontier, APointIsEfficientWhenNoneIsCheaperAndAsGood) {
  Frontier frontier = sample();
  const auto& points = frontier.models[0].points;
  EXPECT_TRUE(isEfficient(frontier, points[0]));
  EXPECT_TRUE(isEfficient(frontier, points[2]));
  EXPECT_FALSE(isEfficient(frontier, points[3])) << "dearer than the shipped one and worse";
  EXPECT_FALSE(isEfficient(frontier, frontier.models[1].points[0]))
      << "costs as much as the shipped one, is worse";
  frontier.models[1].points[0].unionAccuracy = 0.45;
  EXPECT_TRUE(isEfficient(frontier, points[2])) << "equals do not exclude each other";
  frontier.models[1].points[0].paidMmac = 39;
  EXPECT_FALSE(isEfficient(frontier, points[2])) << "another model's points count";
}

TEST(Frontier, TheTableIsOrderedByCostAndMarksWhatIsEfficient) {
  const std::string table = toTable(sample());
  EXPECT_LT(table.find("shipped *"), table.find("static net *")) << table;
  EXPECT_NE(table.find("87.50"), std::string::npos) << "cost in % of the reference: " << table;
  EXPECT_NE(table.find("45.00  2.49"), std::string::npos) << "union with its standard error: " << table;
  EXPECT_NE(table.find("large's static net (80.000 MMAC)"), std::string::npos) << table;
  EXPECT_EQ(test::count(table, " *"), 3U) << table;
}

TEST(Frontier, TheJsonHoldsEveryPointWithItsRule) {
  const nlohmann::json json = toJson(sample());
  EXPECT_EQ(json["format"], "rdi-frontier");
  ASSERT_EQ(json["models"].size(), 2U);
  const nlohmann::json& first = json["models"][0]["points"][0];
  EXPECT_EQ(first["name"], "shipped") << "cheapest first";
  EXPECT_EQ(first["rule"]["thresholds"].size(), 1U);
  EXPECT_DOUBLE_EQ(first["paid_fraction"], 0.5);
  EXPECT_DOUBLE_EQ(first["union_accuracy"], 0.45);
  EXPECT_EQ(first["slowdown_fraction"], "nan") << "no slowdown was tried";
  EXPECT_EQ(first["efficient"], true);
  EXPECT_EQ(json["models"][1]["exits"], 1);
}

TEST(Frontier, PlotsACurveForEachKindOfRuleAndNamesItsPoints) {
  const std::vector<LinePlot> plots = frontierPlots(sample());
  ASSERT_EQ(plots.size(), 2U);
  ASSERT_EQ(plots[0].series.size(), 4U);
  const LinePlot::Series& curve = plots[0].series[0];
  EXPECT_EQ(curve.name, "large, entropy last 1");
  EXPECT_EQ(curve.x, (std::vector<double>{50, 87.5}));
  EXPECT_EQ(curve.y, (std::vector<double>{45, 48}));
  EXPECT_EQ(curve.labels, (std::vector<std::string>{"shipped", ""}));
  EXPECT_TRUE(curve.line);
  EXPECT_EQ(plots[0].series[2].name, "large, static net");
  EXPECT_FALSE(plots[0].series[2].line);
  EXPECT_EQ(plots[0].series[3].name, "thin, static net");
  EXPECT_EQ(plots[1].series[0].y, (std::vector<double>{75, 78}));
  EXPECT_NE(plots[0].title, plots[1].title);
}

}  // namespace
}  // namespace rdi::train
