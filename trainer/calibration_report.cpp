// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibration_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

constexpr size_t kWidth = 10;

std::string right(const std::string& content, size_t width) {
  return std::string(width > content.size() ? width - content.size() : 0, ' ') + content;
}

std::string left(const std::string& content, size_t width) {
  return content + std::string(width > content.size() ? width - content.size() : 0, ' ');
}

std::string inPercent(double share) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.2f", share * 100);
  return buffer;
}

std::string nameOfRule(const std::string& criterion, const std::string& fusion, const std::string& patience) {
  return left(criterion, 17) + left(fusion, 8) + left(patience, 10);
}

std::string cells(const RulePoint& point, bool isAttacked) {
  return right(inPercent(point.cost), kWidth) + right(inPercent(point.clean), kWidth) +
         (isAttacked ? right(inPercent(point.attacked), kWidth) : "");
}

bool isChosen(const graph::ExitRule& rule, const Choice& choice) {
  return rule.criterion == choice.rule.criterion && rule.fusion == choice.rule.fusion &&
         rule.patience == choice.rule.patience;
}

nlohmann::json ruleJson(const graph::ExitRule& rule) {
  return {{"criterion", graph::nameOf(rule.criterion)},
          {"fusion", graph::nameOf(rule.fusion)},
          {"patience", rule.patience}};
}

nlohmann::json thresholdsJson(const std::vector<float>& thresholds) {
  nlohmann::json json = nlohmann::json::array();
  for (float threshold : thresholds)
    json.push_back(std::isinf(threshold) ? nlohmann::json(threshold > 0 ? "inf" : "-inf")
                                         : nlohmann::json(threshold));
  return json;
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

nlohmann::json proofJson(const ProvenChoice& proof) {
  return {{"images", proof.images}, {"lost", proof.lost}, {"allowed", proof.allowed}, {"part", proof.part}};
}

nlohmann::json viewJson(const CalibrationView& view) {
  return {{"images", view.images},
          {"static", pointJson(view.staticNet, view.isAttacked)},
          {"chosen", pointJson(view.chosen, view.isAttacked)}};
}

}  // namespace

CalibrationView viewOf(const Choice& choice, const CalibrationTables& tables, const RulePoint& staticPoint,
                       const std::vector<graph::ExitCost>& costs) {
  CalibrationView view;
  view.images = tables.clean.count;
  view.isAttacked = !tables.attacked.empty();
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
  }
  return "";
}

std::string describe(const AttackRound& round) {
  return text(
      graph::nameOf(round.rule.criterion), " ", graph::nameOf(round.rule.fusion), " ", round.rule.patience,
      ": cost ", inPercent(round.found.cost), " %, right ", inPercent(round.found.clean), " %, attacked ",
      inPercent(round.found.attacked), " %",
      round.expected.attacked > 0 ? text(" (", inPercent(round.expected.attacked), " % expected)") : "");
}

std::string toTable(const Calibration& calibration) {
  const CalibrationView& view = calibration.honest();
  std::string table = text("policy ", nameOf(calibration.demand.policy), ": ",
                           describe(calibration.demand, calibration.choosing.isAttacked), "\n");
  table +=
      calibration.checking
          ? text("chosen on ", calibration.choosing.images, " images; the figures are of ", view.images,
                 " others\n")
          : text("the figures are of the ", view.images,
                 " images that the rule was chosen on, and flatter it (--check-share keeps some aside)\n");
  table += "  " + nameOfRule("criterion", "fusion", "patience") + right("cost, %", kWidth) +
           right("right, %", kWidth) + (view.isAttacked ? right("attacked", kWidth) : "") + "\n";
  table += "  " + left("static net", 35) + cells(view.staticNet, view.isAttacked) + "\n";
  for (size_t i = 0; i < calibration.choice.tried.size(); ++i) {
    const graph::ExitRule& rule = calibration.choice.tried[i].rule;
    const bool chosen = isChosen(rule, calibration.choice);
    table += (chosen ? "* " : "  ") +
             nameOfRule(graph::nameOf(rule.criterion), graph::nameOf(rule.fusion), text(rule.patience)) +
             cells(chosen ? view.chosen : view.tried[i], view.isAttacked) + "\n";
  }
  if (!calibration.rounds.empty() && calibration.choice.tried.size() > 1)
    table += "  (attacked: by the attack on the chosen rule; the others would face one of their own)\n";
  for (size_t r = 0; r < calibration.rounds.size(); ++r) {
    const AttackRound& round = calibration.rounds[r];
    table += text("round ", r, ": ", describe(round), "\n");
  }
  if (!calibration.settled)
    table += "the rounds ended while another rule promised more; --rounds gives it more of them\n";
  if (calibration.proof) {
    const ProvenChoice& proof = *calibration.proof;
    table += text("proof: of ", proof.images, " images ", proof.lost, " are lost, up to ", proof.allowed,
                  " would prove it; ", proof.part * 100, " % of the shares that the others suggest\n");
  }
  return table;
}

nlohmann::json toMetadata(const Calibration& calibration) {
  nlohmann::json json = demandJson(calibration.demand);
  json["chosen_on"] = viewJson(calibration.choosing);
  if (calibration.checking) json["checked_on"] = viewJson(*calibration.checking);
  json["rules_tried"] = calibration.choice.tried.size();
  if (calibration.proof) json["proof"] = proofJson(*calibration.proof);
  return json;
}

nlohmann::json toJson(const Calibration& calibration) {
  nlohmann::json json = toMetadata(calibration);
  json["rule"] = ruleJson(calibration.choice.rule);
  json["rule"]["thresholds"] = thresholdsJson(calibration.choice.rule.thresholds);
  nlohmann::json tried = nlohmann::json::array();
  for (size_t i = 0; i < calibration.choice.tried.size(); ++i) {
    const TriedRule& rule = calibration.choice.tried[i];
    nlohmann::json one = ruleJson(rule.rule);
    one["thresholds"] = thresholdsJson(rule.rule.thresholds);
    one["chosen_on"] = pointJson(calibration.choosing.tried[i], calibration.choosing.isAttacked);
    if (calibration.checking)
      one["checked_on"] = pointJson(calibration.checking->tried[i], calibration.checking->isAttacked);
    nlohmann::json frontier = nlohmann::json::array();
    for (size_t p = 0; p < rule.frontier.size(); ++p) {
      nlohmann::json point = {{"thresholds", thresholdsJson(rule.frontier[p].thresholds)}};
      point["chosen_on"] = pointJson(calibration.choosing.frontiers[i][p], calibration.choosing.isAttacked);
      if (calibration.checking)
        point["checked_on"] =
            pointJson(calibration.checking->frontiers[i][p], calibration.checking->isAttacked);
      frontier.push_back(point);
    }
    one["frontier"] = frontier;
    tried.push_back(one);
  }
  json["tried"] = tried;
  if (!calibration.rounds.empty()) {
    nlohmann::json rounds = nlohmann::json::array();
    for (const AttackRound& round : calibration.rounds) {
      nlohmann::json one = ruleJson(round.rule);
      one["thresholds"] = thresholdsJson(round.rule.thresholds);
      one["expected"] = pointJson(round.expected, true);
      one["found"] = pointJson(round.found, true);
      rounds.push_back(one);
    }
    json["rounds"] = rounds;
    json["settled"] = calibration.settled;
  }
  return json;
}

}  // namespace rdi::train
