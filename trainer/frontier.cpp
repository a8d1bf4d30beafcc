// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/frontier.hpp"

#include <algorithm>
#include <filesystem>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "trainer/attack_options.hpp"
#include "trainer/evaluation_summary.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/number_format.hpp"

namespace rdi::train {
namespace {

constexpr int kFrontierVersion = 1;

std::string kindOf(const graph::ExitRule& rule) {
  return text(graph::nameOf(rule.criterion), " ", graph::nameOf(rule.fusion), " ", rule.patience);
}

std::string stemOf(const std::string& file) { return std::filesystem::path(file).stem().string(); }

bool neverLeavesEarly(const graph::ExitRule& rule) {
  return std::all_of(rule.thresholds.begin(), rule.thresholds.end(),
                     [](float threshold) { return threshold == -std::numeric_limits<float>::infinity(); });
}

bool isBetter(const FrontierPoint& a, const FrontierPoint& b) {
  return (a.paidMmac < b.paidMmac && a.unionAccuracy >= b.unionAccuracy) ||
         (a.paidMmac <= b.paidMmac && a.unionAccuracy > b.unionAccuracy);
}

std::vector<FrontierPoint> byCost(std::vector<FrontierPoint> points) {
  std::stable_sort(points.begin(), points.end(),
                   [](const auto& a, const auto& b) { return a.paidMmac < b.paidMmac; });
  return points;
}

// Points of a model that a curve joins: one for each kind of rule, and each static net for itself.
std::vector<LinePlot::Series> curvesOf(const Frontier& frontier, const FrontierModel& model,
                                       double FrontierPoint::*accuracy) {
  const std::string stem = frontier.models.size() > 1 ? stemOf(model.file) : "";
  std::vector<LinePlot::Series> curves;
  for (const FrontierPoint& point : byCost(model.points)) {
    const bool isStatic = neverLeavesEarly(point.rule);
    const std::string kind = isStatic ? "static net" : kindOf(point.rule);
    const std::string name = stem.empty() ? kind : stem + ", " + kind;
    auto curve =
        std::find_if(curves.begin(), curves.end(), [&](const auto& other) { return other.name == name; });
    if (curve == curves.end()) curve = curves.insert(curves.end(), {name, {}, {}, !isStatic, true, {}});
    curve->x.push_back(100 * point.paidMmac / frontier.referenceMmac);
    curve->y.push_back(100 * (point.*accuracy));
    curve->labels.push_back(isStatic ? "" : point.name);
  }
  std::stable_sort(curves.begin(), curves.end(),
                   [](const auto& a, const auto& b) { return a.line > b.line; });
  return curves;
}

}  // namespace

FrontierPoint pointOf(const std::string& name, const Evaluation& evaluation) {
  FrontierPoint point;
  point.name = name;
  point.rule = evaluation.rule;
  const AverageCost cost = cleanCost(evaluation);
  point.paidMmac = cost.paidMmac;
  point.clean = evaluation.rows[0].outcome.accuracy;
  point.exitShares = evaluation.rows[0].outcome.shares;
  point.unionAccuracy = evaluation.unionAccuracy();
  double least = 2;
  for (size_t row = 1; row < evaluation.rows.size(); ++row) {
    const EvaluationRow& attack = evaluation.rows[row];
    // What was tried on survivors alone has the accuracy of all attacks up to it.
    const bool counts = attack.inBall && !attack.onlySurvivors && attack.family != Family::slowdown;
    if (!counts || attack.outcome.accuracy >= least) continue;
    least = attack.outcome.accuracy;
    point.worstAttack = attack.name;
  }
  const EvaluationSummary summary = summarize(evaluation);
  if (summary.slowdown)
    point.slowdownMmac =
        averageCost(evaluation.costs, evaluation.rows[*summary.slowdown].outcome.shares).paidMmac;
  return point;
}

bool isEfficient(const Frontier& frontier, const FrontierPoint& point) {
  for (const FrontierModel& model : frontier.models)
    for (const FrontierPoint& other : model.points)
      if (isBetter(other, point)) return false;
  return true;
}

std::string toTable(const Frontier& frontier) {
  std::vector<std::vector<std::string>> rows = {{"", "model", "rule", "thresholds", "cost, %",
                                                 "under slowdown", "right, %", "union, %", "+-",
                                                 "worst attack"}};
  std::vector<std::pair<FrontierPoint, std::string>> all;
  for (const FrontierModel& model : frontier.models)
    for (const FrontierPoint& point : model.points) all.emplace_back(point, stemOf(model.file));
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first.paidMmac < b.first.paidMmac; });
  for (const auto& [point, model] : all) {
    std::string thresholds;
    for (const float threshold : point.rule.thresholds)
      thresholds += (thresholds.empty() ? "" : ",") + text(threshold);
    const bool isStatic = neverLeavesEarly(point.rule);
    rows.push_back({text(point.name, isEfficient(frontier, point) ? " *" : ""), model,
                    isStatic ? "static net" : kindOf(point.rule), isStatic ? "" : thresholds,
                    percent(point.paidMmac / frontier.referenceMmac),
                    percent(point.slowdownMmac / frontier.referenceMmac), percent(point.clean),
                    percent(point.unionAccuracy),
                    percent(standardError(point.unionAccuracy, frontier.imageCount)), point.worstAttack});
  }
  return text(alignedTable(rows, FirstColumn::left), "cost: paid, in % of ", stemOf(frontier.reference),
              "'s static net (", fixed(frontier.referenceMmac, 3), " MMAC)\n",
              "*: nothing here costs less and keeps as much in the union\n");
}

nlohmann::json toJson(const Frontier& frontier) {
  nlohmann::json json = {
      {"format", "rdi-frontier"},
      {"version", kFrontierVersion},
      {"command", frontier.command},
      {"data", frontier.data},
      {"set", frontier.set},
      {"image_count", frontier.imageCount},
      {"seed", frontier.seed},
      {"reference", {{"model", frontier.reference}, {"static_mmac", frontier.referenceMmac}}},
      {"models", nlohmann::json::array()}};
  for (const FrontierModel& model : frontier.models) {
    nlohmann::json points = nlohmann::json::array();
    for (const FrontierPoint& point : byCost(model.points))
      points.push_back(
          {{"name", point.name},
           {"rule", graph::ruleToJson(point.rule)},
           {"paid_mmac", point.paidMmac},
           {"paid_fraction", point.paidMmac / frontier.referenceMmac},
           {"slowdown_fraction", graph::numberToJson(point.slowdownMmac / frontier.referenceMmac)},
           {"accuracy", point.clean},
           {"union_accuracy", point.unionAccuracy},
           {"worst_attack", point.worstAttack},
           {"exit_shares", point.exitShares},
           {"efficient", isEfficient(frontier, point)}});
    json["models"].push_back({{"model", model.file},
                              {"exits", model.exitCount},
                              {"static_mmac", model.staticMmac},
                              {"points", points}});
  }
  return json;
}

std::vector<LinePlot> frontierPlots(const Frontier& frontier) {
  LinePlot robust, clean;
  robust.title = "Right clean and under every attack";
  robust.yAxis = "union, %";
  clean.title = "Right, clean";
  clean.yAxis = "clean, %";
  std::vector<LinePlot> plots = {robust, clean};
  for (size_t i = 0; i < plots.size(); ++i) {
    plots[i].xAxis = text("paid cost, % of the static net of ", stemOf(frontier.reference));
    for (const FrontierModel& model : frontier.models)
      for (auto& curve :
           curvesOf(frontier, model, i == 0 ? &FrontierPoint::unionAccuracy : &FrontierPoint::clean))
        plots[i].series.push_back(std::move(curve));
    plots[i].xMarks.push_back({100, ""});
  }
  return plots;
}

}  // namespace rdi::train
