// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibration_report.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "graph/metadata.hpp"
#include "tests/trainer/score_tables.hpp"

namespace rdi::train {
namespace {

using test::costsOf;
using test::randomTable;

// Two kinds of rules, chosen on one set of images and checked on another, all attacked.
Calibration someCalibration(bool attackFollows) {
  Calibration found;
  found.demand.policy = Policy::cost;
  found.demand.maxDrop = 0.02;
  found.costs = costsOf({20, 60, 110});
  const CalibrationTables choosing{randomTable(3, 300, 1), {randomTable(3, 300, 2)}};
  const CalibrationTables checking{randomTable(3, 200, 3), {randomTable(3, 200, 4)}};
  const auto rules =
      rulesToTry({graph::Criterion::entropy, graph::Criterion::margin}, {graph::Fusion::last}, {1, 2});
  found.choice = chooseRule(found.demand, rules, choosing, found.costs, staticNet(choosing));
  found.choosing = viewOf(found.choice, choosing, staticNet(choosing), attackFollows, found.costs);
  found.checking = viewOf(found.choice, checking, staticNet(checking), attackFollows, found.costs);
  return found;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(CalibrationView, IsWhatTheRuleDoesToThoseImages) {
  const Calibration found = someCalibration(false);
  const RuleOutcome clean = applyRule(randomTable(3, 200, 3), found.choice.rule);
  const CalibrationView& view = found.honest();
  EXPECT_EQ(view.images, 200);
  EXPECT_NEAR(view.chosen.clean, clean.accuracy, 1e-12);
  EXPECT_NEAR(view.chosen.cost, graph::paidFraction(found.costs, clean.shares), 1e-12);
  EXPECT_NEAR(view.chosen.attacked, applyRule(randomTable(3, 200, 4), found.choice.rule).accuracy, 1e-12);
  ASSERT_EQ(view.tried.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_EQ(view.frontiers[i].size(), found.choice.tried[i].frontier.size());
    const graph::ExitRule rule =
        test::with(found.choice.tried[i].rule, found.choice.tried[i].frontier[1].thresholds);
    EXPECT_NEAR(view.frontiers[i][1].clean, applyRule(randomTable(3, 200, 3), rule).accuracy, 1e-12);
  }
}

TEST(CalibrationTable, ShowsAllThatWasTriedWithTheFiguresOfOtherImages) {
  Calibration found = someCalibration(true);
  const std::string table = toTable(found);
  EXPECT_NE(table.find("chosen on 300 images; the figures are of 200 others"), std::string::npos) << table;
  EXPECT_NE(table.find("mean of clean and attacked accuracy at most 2 points below"), std::string::npos)
      << table;
  EXPECT_EQ(count(table, "\nchosen  "), 1U) << table;
  EXPECT_EQ(count(table, "static net "), 1U) << table;
  EXPECT_EQ(count(table, " entropy ") + count(table, " margin "), 4U) << table;
  EXPECT_NE(table.find("made for the chosen rule; another would face others"), std::string::npos) << table;
  EXPECT_EQ(table.find("round"), std::string::npos) << table;

  found.checking.reset();
  found.rounds.push_back({found.choice.rule, {0.5, 0.9, 0.8}, {0.5, 0.9, 0.71}, {}});
  found.settled = false;
  ProvenChoice proof;
  proof.images = 2500;
  proof.lost = 14;
  proof.allowed = 16;
  proof.part = 0.97;
  found.proof = proof;
  const std::string flattered = toTable(found);
  EXPECT_NE(flattered.find("the 300 images that the rule was chosen on, and flatter it"), std::string::npos);
  EXPECT_NE(flattered.find("cost 50.00 %, right 90.00 %, attacked 71.00 % (80.00 % expected)"),
            std::string::npos)
      << flattered;
  EXPECT_NE(flattered.find("--rounds"), std::string::npos);
  EXPECT_NE(flattered.find("of 2500 images 14 are lost, up to 16 would prove it; 97 %"), std::string::npos)
      << flattered;
}

TEST(CalibrationJson, HoldsEveryRuleAndFrontierOnBothSets) {
  Calibration found = someCalibration(false);
  found.choice.rule.thresholds = {-std::numeric_limits<float>::infinity(), 0.5F};
  const nlohmann::json json = toJson(found);
  EXPECT_EQ(json["policy"], "cost");
  EXPECT_EQ(json["max_drop"], 0.02);
  EXPECT_FALSE(json.contains("max_risk"));
  EXPECT_EQ(graph::ruleFromJson(json["rule"]).thresholds, found.choice.rule.thresholds);
  EXPECT_EQ(json["chosen_on"]["images"], 300);
  EXPECT_EQ(json["checked_on"]["images"], 200);
  EXPECT_EQ(json["checked_on"]["static"]["paid_fraction"], 1);
  ASSERT_EQ(json["tried"].size(), 4U);
  const nlohmann::json& tried = json["tried"][2];
  EXPECT_EQ(tried["chosen_on"]["accuracy"], found.choosing.tried[2].clean);
  EXPECT_EQ(tried["checked_on"]["attacked_accuracy"], found.checking->tried[2].attacked);
  ASSERT_EQ(tried["frontier"].size(), found.choice.tried[2].frontier.size());
  EXPECT_EQ(tried["frontier"][0]["checked_on"]["paid_fraction"], found.checking->frontiers[2][0].cost);
  EXPECT_EQ(tried["frontier"][0]["thresholds"].size(), 2U);
  EXPECT_EQ(nlohmann::json::parse(json.dump()), json) << "no number is lost in a file";

  const nlohmann::json brief = toMetadata(found);
  EXPECT_EQ(brief["rules_tried"], 4);
  EXPECT_FALSE(brief.contains("tried"));
}

TEST(CalibrationJson, NamesWhatThePolicyAsked) {
  Calibration found = someCalibration(false);
  found.demand.policy = Policy::risk;
  EXPECT_EQ(toMetadata(found)["max_risk"], 0.01);
  EXPECT_EQ(toMetadata(found)["confidence"], 0.95);
  found.demand.policy = Policy::robust;
  EXPECT_EQ(toMetadata(found)["max_cost"], 1);
}

TEST(FrontierPlot, ShowsTheChosenKindFirstAndMarksChoiceAndStaticNet) {
  const Calibration found = someCalibration(false);
  const LinePlot plot = frontierPlot(found);
  ASSERT_EQ(plot.series.size(), 4U + 4U + 2U) << "clean, attacked, and two marks";
  const std::string chosen =
      graph::nameOf(found.choice.rule.criterion) + " last " + std::to_string(found.choice.rule.patience);
  EXPECT_EQ(plot.series[0].name, chosen);
  EXPECT_EQ(plot.series[4].name, chosen + ", attacked");
  const LinePlot::Series& mark = plot.series[8];
  EXPECT_EQ(mark.name, "chosen rule");
  ASSERT_EQ(mark.x.size(), 2U);
  EXPECT_NEAR(mark.x[0], 100 * found.honest().chosen.cost, 1e-9);
  EXPECT_NEAR(mark.y[1], 100 * found.honest().chosen.attacked, 1e-9);
  EXPECT_EQ(plot.series[9].name, "static net");
  EXPECT_EQ(plot.series[9].x[0], 100);
}

TEST(FrontierPlot, LeavesOutAttackedCurvesThatFlatter) {
  Calibration found = someCalibration(true);
  EXPECT_EQ(frontierPlot(found).series.size(), 4U + 2U);
  const auto thresholds = alongFrontier(found, 5);
  ASSERT_EQ(thresholds.size(), 5U);
  EXPECT_EQ(thresholds.front(), found.choice.tried[0].frontier.front().thresholds)
      << "the chosen kind is the first here";
  for (const auto& one : thresholds)
    found.reattacked.push_back({one, {0.1 * found.reattacked.size() + 0.2, 0.9, 0.6}});
  const LinePlot plot = frontierPlot(found);
  ASSERT_EQ(plot.series.size(), 4U + 1U + 2U);
  EXPECT_EQ(plot.series[4].x.size(), 6U) << "five, and the chosen rule";
  EXPECT_TRUE(std::is_sorted(plot.series[4].x.begin(), plot.series[4].x.end()));
  EXPECT_EQ(toJson(found)["frontier_reattacked"].size(), 5U);
}

}  // namespace
}  // namespace rdi::train
