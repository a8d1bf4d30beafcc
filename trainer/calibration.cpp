// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibration.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iomanip>
#include <set>
#include <utility>

#include "graph/error.hpp"
#include "trainer/thresholds.hpp"

namespace rdi::train {
namespace {

constexpr std::array<std::pair<Policy, const char*>, 6> kPolicies = {{{Policy::equalShares, "equal-shares"},
                                                                      {Policy::cost, "cost"},
                                                                      {Policy::accuracy, "accuracy"},
                                                                      {Policy::robust, "robust"},
                                                                      {Policy::risk, "risk"},
                                                                      {Policy::given, "given"}}};

constexpr double kRounding = 1e-9;

std::string inPercent(double share) {
  std::ostringstream stream;
  stream << std::setprecision(4) << share * 100;
  return stream.str();
}

template <typename Value>
std::vector<Value> sorted(const std::vector<Value>& values) {
  const std::set<Value> unique(values.begin(), values.end());
  return {unique.begin(), unique.end()};
}

[[noreturn]] void cannotBeMet(const Demand& demand, const TriedRule& nearest, const RulePoint& staticPoint,
                              const Goal& goal) {
  if (demand.policy == Policy::cost)
    throw Error(text("--max-drop: no rule that was tried keeps ",
                     inPercent(staticPoint.accuracy(goal.cleanWeight) - demand.maxDrop),
                     " %; the nearest has ", inPercent(nearest.point.accuracy(goal.cleanWeight)),
                     " %; allow a larger drop, or other rules (--fusion last always can)"));
  throw Error(text("--max-cost: found ", inPercent(demand.maxCost),
                   " % of the static net, the least that was reached is ", inPercent(nearest.point.cost),
                   " %"));
}

}  // namespace

Policy policyFromName(const std::string& name) {
  for (const auto& [policy, known] : kPolicies)
    if (name == known) return policy;
  throw Error(text("policy \"", name,
                   "\" is not known; known are equal-shares, cost, accuracy, robust, risk and given"));
}

std::string nameOf(Policy policy) {
  for (const auto& [known, name] : kPolicies)
    if (policy == known) return name;
  return "";
}

std::vector<TriedRule>::const_iterator bestOf(const std::vector<TriedRule>& tried) {
  return std::min_element(tried.begin(), tried.end(),
                          [](const TriedRule& a, const TriedRule& b) { return a.merit < b.merit; });
}

std::vector<graph::ExitRule> rulesToTry(const std::vector<graph::Criterion>& criteria,
                                        const std::vector<graph::Fusion>& fusions,
                                        const std::vector<int>& patiences) {
  std::vector<graph::ExitRule> rules;
  for (const graph::Fusion fusion : sorted(fusions))
    for (const int patience : sorted(patiences))
      for (const graph::Criterion criterion : sorted(criteria)) {
        graph::ExitRule rule;
        rule.criterion = criterion;
        rule.fusion = fusion;
        rule.patience = patience;
        rules.push_back(rule);
      }
  return rules;
}

RulePoint staticNet(const CalibrationTables& tables) {
  std::vector<uint8_t> right = staticRight(tables.clean);
  const auto share = [&] {
    return static_cast<double>(std::count(right.begin(), right.end(), 1)) / static_cast<double>(right.size());
  };
  RulePoint point;
  point.cost = 1;
  point.clean = share();
  if (!tables.attacked.empty()) right.assign(right.size(), 1);
  for (const ScoreTable& table : tables.attacked) {
    const std::vector<uint8_t> here = staticRight(table);
    for (size_t i = 0; i < right.size(); ++i) right[i] &= here[i];
  }
  point.attacked = share();
  return point;
}

Goal goalOf(const Demand& demand, const RulePoint& staticPoint, bool isAttacked) {
  Goal goal;
  goal.cleanWeight = demand.policy == Policy::robust ? 0 : isAttacked ? 0.5 : 1;
  if (demand.policy == Policy::cost) {
    goal.leastAccuracy = staticPoint.accuracy(goal.cleanWeight) - demand.maxDrop;
    goal.price = std::numeric_limits<double>::infinity();
  }
  if (demand.policy == Policy::accuracy || demand.policy == Policy::robust) goal.mostCost = demand.maxCost;
  return goal;
}

void checkDemand(const Demand& demand, const std::vector<graph::ExitCost>& costs) {
  if (costs.size() < 2) throw Error("has one exit only, there is nothing to choose");
  if (!(demand.maxDrop >= 0 && demand.maxDrop <= 1))
    throw Error(text("--max-drop: found ", demand.maxDrop * 100, ", expected 0 to 100 points"));
  const double least =
      static_cast<double>(costs.front().paid.total()) / static_cast<double>(costs.back().own.total());
  if (!(demand.maxCost >= least - kRounding))
    throw Error(text("--max-cost: found ", demand.maxCost * 100, " % of the static net, expected at least ",
                     inPercent(std::ceil((least - kRounding) * 1e4) / 1e4), ", what ", costs.front().exit,
                     " costs"));
  if (!(demand.maxRisk > 0 && demand.maxRisk < 1))
    throw Error(
        text("--max-risk: found ", demand.maxRisk * 100, ", expected a percentage above 0 and below 100"));
  if (!(demand.confidence >= 0.5 && demand.confidence < 1))
    throw Error(text("--confidence: found ", demand.confidence * 100,
                     ", expected a percentage from 50 to below 100"));
}

Choice chooseRule(const Demand& demand, const std::vector<graph::ExitRule>& rules,
                  const CalibrationTables& tables, const std::vector<graph::ExitCost>& costs,
                  const RulePoint& staticPoint) {
  checkDemand(demand, costs);
  if (demand.policy == Policy::robust && tables.attacked.empty())
    throw Error("--policy robust: wants to know which attack; give --attack");
  const Goal goal = goalOf(demand, staticPoint, !tables.attacked.empty());
  Choice choice;
  for (const graph::ExitRule& rule : rules) {
    if (demand.policy == Policy::given) graph::checkRule(rule, costs.size());
    std::vector<Decisions> attacked;
    for (const ScoreTable& table : tables.attacked) attacked.push_back(decisionsOf(table, rule));
    const ThresholdSearch search(decisionsOf(tables.clean, rule), std::move(attacked), costs);
    TriedRule tried{rule, {}, {}, search.frontier(goal.cleanWeight)};
    if (demand.policy == Policy::equalShares)
      tried.rule.thresholds = equalShares(tables.clean, rule);
    else if (demand.policy != Policy::given)
      tried.rule.thresholds = search.best(goal, tried.frontier).thresholds;
    tried.point = search.measure(tried.rule.thresholds);
    tried.merit = meritOf(tried.point, goal);
    choice.tried.push_back(std::move(tried));
  }
  const auto best = bestOf(choice.tried);
  if (best->merit.missing > 0) cannotBeMet(demand, *best, staticPoint, goal);
  choice.rule = best->rule;
  choice.point = best->point;
  return choice;
}

}  // namespace rdi::train
