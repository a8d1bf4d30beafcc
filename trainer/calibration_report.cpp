// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibration_report.hpp"

#include <algorithm>
#include <numeric>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/number_format.hpp"

namespace rdi::train {
namespace {

constexpr size_t kPlottedRules = 4;

std::string nameOf(const graph::ExitRule& rule) {
  return text(graph::nameOf(rule.criterion), " ", graph::nameOf(rule.fusion), " ", rule.patience);
}

bool isOfKind(const graph::ExitRule& rule, const graph::ExitRule& other) {
  return nameOf(rule) == nameOf(other);
}

// Of the rule's kind among those tried.
size_t chosenPlace(const Choice& choice) {
  const auto place = std::find_if(choice.tried.begin(), choice.tried.end(),
                                  [&](const TriedRule& tried) { return isOfKind(tried.rule, choice.rule); });
  return static_cast<size_t>(place - choice.tried.begin());
}

nlohmann::json pointJson(const RulePoint& point, bool isAttacked) {
  nlohmann::json json = {{"paid_fraction", point.cost}, {"accuracy", point.clean}};
  if (isAttacked) json["attacked_accuracy"] = point.attacked;
  return json;
}

nlohmann::json demandJson(const Demand& demand) {
  nlohmann::json json = {{"policy", nameOf(demand.policy)}};
  if (demand.policy == Policy::cost) json["max_drop"] = demand.maxDrop;
  if (demand.policy == Policy::accuracy || demand.policy == Policy::robust) json["max_cost"] = demand.maxCost;
  if (demand.policy == Policy::risk) {
    json["max_risk"] = demand.maxRisk;
    json["confidence"] = demand.confidence;
  }
  return json;
}

nlohmann::json viewJson(const CalibrationView& view) {
  return {{"images", view.images},
          {"static", pointJson(view.staticNet, view.isAttacked)},
          {"chosen", pointJson(view.chosen, view.isAttacked)}};
}

nlohmann::json thresholdsJson(const std::vector<float>& thresholds) {
  nlohmann::json json = nlohmann::json::array();
  for (float threshold : thresholds) json.push_back(graph::numberToJson(threshold));
  return json;
}

}  // namespace

CalibrationView viewOf(const Choice& choice, const CalibrationTables& tables, const RulePoint& staticPoint,
                       bool attackFollows, const std::vector<graph::ExitCost>& costs) {
  CalibrationView view;
  view.images = tables.clean.count;
  view.isAttacked = !tables.attacked.empty();
  view.attackFollows = attackFollows;
  view.staticNet = staticPoint;
  const auto look = [&](const graph::ExitRule& rule, const auto& use) {
    std::vector<Decisions> attacked;
    for (const ScoreTable& table : tables.attacked) attacked.push_back(decisionsOf(table, rule));
    const Decisions clean = decisionsOf(tables.clean, rule);
    use([&](const std::vector<float>& thresholds) {
      return measureRule(clean, attacked, costs, thresholds);
    });
  };
  look(choice.rule, [&](const auto& measure) { view.chosen = measure(choice.rule.thresholds); });
  for (const TriedRule& tried : choice.tried)
    look(tried.rule, [&](const auto& measure) {
      view.tried.push_back(measure(tried.rule.thresholds));
      view.frontiers.emplace_back();
      for (const FoundThresholds& found : tried.frontier)
        view.frontiers.back().push_back(measure(found.thresholds));
    });
  return view;
}

std::vector<std::vector<float>> alongFrontier(const Calibration& calibration, size_t count) {
  return alongFrontier(calibration.choice.tried[chosenPlace(calibration.choice)].frontier, count);
}

std::vector<std::vector<float>> alongFrontier(const std::vector<FoundThresholds>& all, size_t count) {
  std::vector<std::vector<float>> result;
  for (size_t i = 0; i < count && !all.empty(); ++i) {
    const double part = count < 2 ? 0 : static_cast<double>(i) / static_cast<double>(count - 1);
    const double cost = all.front().point.cost + part * (all.back().point.cost - all.front().point.cost);
    const auto nearest = std::min_element(all.begin(), all.end(), [&](const auto& a, const auto& b) {
      return std::abs(a.point.cost - cost) < std::abs(b.point.cost - cost);
    });
    if (result.empty() || result.back() != nearest->thresholds) result.push_back(nearest->thresholds);
  }
  return result;
}

std::string describe(const Demand& demand, bool isAttacked) {
  const std::string accuracy = isAttacked ? "mean of clean and attacked accuracy" : "accuracy";
  switch (demand.policy) {
    case Policy::equalShares:
      return "every exit takes as many images";
    case Policy::cost:
      return text("the least cost, ", accuracy, " at most ", demand.maxDrop * 100,
                  " points below the static net's");
    case Policy::accuracy:
      return text("the best ", accuracy, " at a cost of at most ", demand.maxCost * 100, " %");
    case Policy::robust:
      return text("the best accuracy under attack at a cost of at most ", demand.maxCost * 100, " %");
    case Policy::risk:
      return text("the least cost, with ", demand.confidence * 100, " % confidence at most ",
                  demand.maxRisk * 100, " % of the images lost by exiting early");
    case Policy::given:
      return "the rule was given";
  }
  return "";
}

std::string describe(const AttackRound& round) {
  return text(nameOf(round.rule), ": cost ", percent(round.found.cost), " %, right ",
              percent(round.found.clean), " %, attacked ", percent(round.found.attacked), " %",
              round.expected.cost > 0 ? text(" (", percent(round.expected.attacked), " % expected)") : "");
}

std::string toTable(const Calibration& calibration) {
  const CalibrationView& view = calibration.honest();
  const Choice& choice = calibration.choice;
  std::string table = text("policy ", nameOf(calibration.demand.policy), ": ",
                           describe(calibration.demand, calibration.choosing.isAttacked), "\n");
  table +=
      calibration.checking ? text("chosen on ", calibration.choosing.images, " images; the figures are of ",
                                  view.images, " others\n")
      : calibration.demand.policy == Policy::given
          ? text("the figures are of ", view.images, " held-out images\n")
          : text("the figures are of the ", view.images,
                 " images that the rule was chosen on, and flatter it (--check-share keeps some aside)\n");

  std::vector<std::vector<std::string>> rows = {
      {"", "criterion", "fusion", "patience", "cost, %", "right, %"}};
  if (view.isAttacked) rows[0].push_back("attacked, %");
  const auto add = [&](std::vector<std::string> row, const RulePoint& point) {
    row.push_back(percent(point.cost));
    row.push_back(percent(point.clean));
    if (view.isAttacked) row.push_back(percent(point.attacked));
    rows.push_back(row);
  };
  add({"static net", "", "", ""}, view.staticNet);
  for (size_t i = 0; i < choice.tried.size(); ++i) {
    const graph::ExitRule& rule = choice.tried[i].rule;
    const bool isChosen = i == chosenPlace(choice);
    add({isChosen ? "chosen" : "", graph::nameOf(rule.criterion), graph::nameOf(rule.fusion),
         text(rule.patience)},
        isChosen ? view.chosen : view.tried[i]);
  }
  table += alignedTable(rows, FirstColumn::left);
  if (view.isAttacked)
    table += view.attackFollows && calibration.checking
                 ? "attacked: right under every attack, made for the chosen rule; another would face others\n"
             : calibration.rounds.empty() ? "attacked: right under every attack\n"
                                          : "attacked: right under the attacks of all rounds\n";
  for (size_t r = 0; r < calibration.rounds.size(); ++r)
    table += text("round ", r, ": ", describe(calibration.rounds[r]), "\n");
  if (!calibration.settled)
    table += "the rounds ended while another rule promised more; --rounds gives it more of them\n";
  if (calibration.proof) {
    const ProvenChoice& proof = *calibration.proof;
    table += text("proof: of ", proof.images, " images ", proof.lost, " are lost, up to ", proof.allowed,
                  " would prove it; ", proof.part * 100, " % of the shares that the others suggest\n");
  }
  return table;
}

LinePlot frontierPlot(const Calibration& calibration) {
  const CalibrationView& view = calibration.honest();
  const Choice& choice = calibration.choice;
  LinePlot plot;
  plot.title = "What thresholds can reach";
  plot.xAxis = "paid cost, % of the static net";
  plot.yAxis = "right, %";
  const auto curve = [&](const std::string& name, const std::vector<RulePoint>& points, bool isAttacked,
                         bool hasPoints) {
    LinePlot::Series series{name, {}, {}, true, hasPoints, {}};
    for (const RulePoint& point : points) {
      series.x.push_back(100 * point.cost);
      series.y.push_back(100 * (isAttacked ? point.attacked : point.clean));
    }
    plot.series.push_back(series);
  };

  // The chosen kind first, then the others by their merit.
  std::vector<size_t> order(choice.tried.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t chosen = chosenPlace(choice);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if ((a == chosen) != (b == chosen)) return a == chosen;
    return choice.tried[a].merit < choice.tried[b].merit;
  });
  order.resize(std::min(order.size(), kPlottedRules));
  for (const size_t i : order) curve(nameOf(choice.tried[i].rule), view.frontiers[i], false, false);
  if (view.isAttacked && !view.attackFollows)
    for (const size_t i : order)
      curve(nameOf(choice.tried[i].rule) + ", attacked", view.frontiers[i], true, false);
  if (!calibration.reattacked.empty()) {
    std::vector<RulePoint> points = {view.chosen};
    for (const FoundThresholds& found : calibration.reattacked) points.push_back(found.point);
    std::sort(points.begin(), points.end(),
              [](const RulePoint& a, const RulePoint& b) { return a.cost < b.cost; });
    curve(nameOf(choice.rule) + ", each under its own attack", points, true, true);
  }

  const auto mark = [&](const std::string& name, const RulePoint& point) {
    LinePlot::Series series{name, {100 * point.cost}, {100 * point.clean}, false, true, {}};
    if (view.isAttacked) {
      series.x.push_back(100 * point.cost);
      series.y.push_back(100 * point.attacked);
    }
    plot.series.push_back(series);
  };
  mark("chosen rule", view.chosen);
  mark("static net", view.staticNet);
  plot.xMarks.push_back({100, ""});
  return plot;
}

nlohmann::json toMetadata(const Calibration& calibration) {
  nlohmann::json json = demandJson(calibration.demand);
  json["rules_tried"] = calibration.choice.tried.size();
  json["chosen_on"] = viewJson(calibration.choosing);
  if (calibration.checking) json["checked_on"] = viewJson(*calibration.checking);
  if (calibration.proof) {
    const ProvenChoice& proof = *calibration.proof;
    json["proof"] = {
        {"images", proof.images}, {"lost", proof.lost}, {"allowed", proof.allowed}, {"part", proof.part}};
  }
  return json;
}

nlohmann::json toJson(const Calibration& calibration) {
  nlohmann::json json = toMetadata(calibration);
  json["rule"] = graph::ruleToJson(calibration.choice.rule);
  nlohmann::json tried = nlohmann::json::array();
  for (size_t i = 0; i < calibration.choice.tried.size(); ++i) {
    const TriedRule& rule = calibration.choice.tried[i];
    // On both sets of images, where there are two.
    const auto addPoints = [&](nlohmann::json& to, const auto& pointIn) {
      to["chosen_on"] = pointJson(pointIn(calibration.choosing), calibration.choosing.isAttacked);
      if (calibration.checking)
        to["checked_on"] = pointJson(pointIn(*calibration.checking), calibration.checking->isAttacked);
    };
    nlohmann::json one = {{"rule", graph::ruleToJson(rule.rule)}};
    addPoints(one, [&](const CalibrationView& view) { return view.tried[i]; });
    one["frontier"] = nlohmann::json::array();
    for (size_t p = 0; p < rule.frontier.size(); ++p) {
      nlohmann::json point = {{"thresholds", thresholdsJson(rule.frontier[p].thresholds)}};
      addPoints(point, [&](const CalibrationView& view) { return view.frontiers[i][p]; });
      one["frontier"].push_back(point);
    }
    tried.push_back(one);
  }
  json["tried"] = tried;
  if (!calibration.rounds.empty()) {
    json["rounds"] = nlohmann::json::array();
    for (const AttackRound& round : calibration.rounds)
      json["rounds"].push_back({{"rule", graph::ruleToJson(round.rule)},
                                {"expected", pointJson(round.expected, true)},
                                {"found", pointJson(round.found, true)}});
    json["settled"] = calibration.settled;
  }
  for (const FoundThresholds& found : calibration.reattacked) {
    nlohmann::json point = pointJson(found.point, true);
    point["thresholds"] = thresholdsJson(found.thresholds);
    json["frontier_reattacked"].push_back(point);
  }
  return json;
}

}  // namespace rdi::train
