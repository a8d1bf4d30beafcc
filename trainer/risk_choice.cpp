// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/risk_choice.hpp"

#include <algorithm>
#include <limits>

#include "graph/error.hpp"
#include "trainer/conformal.hpp"

namespace rdi::train {
namespace {

constexpr float kNever = std::numeric_limits<float>::infinity();
constexpr int kSteps = 1000;   // members of the family that are tested up to scalar 1
constexpr int kMostParts = 2;  // the last scalar that is tested

int64_t lostBy(const Decisions& kept, const std::vector<float>& thresholds) {
  int64_t lost = 0;
  for (size_t i = 0; i < kept.count; ++i) lost += 1 - kept.right[kept.at(i, exitTaken(kept, i, thresholds))];
  return lost;
}

}  // namespace

ShareFamily::ShareFamily(const Decisions& decisions, const std::vector<float>& thresholds)
    : thresholds_(thresholds), values_(thresholds.size()) {
  for (size_t k = 0; k < thresholds.size(); ++k) {
    for (size_t i = 0; i < decisions.count; ++i)
      values_[k].push_back(decisions.uncertainty[decisions.at(i, k)]);
    std::sort(values_[k].begin(), values_[k].end());
  }
}

std::vector<float> ShareFamily::at(double part) const {
  if (part == 1) return thresholds_;
  std::vector<float> result;
  for (size_t k = 0; k < thresholds_.size(); ++k) {
    const std::vector<float>& values = values_[k];
    const auto leaving = std::lower_bound(values.begin(), values.end(), thresholds_[k]) - values.begin();
    const auto scaled = static_cast<size_t>(part * static_cast<double>(leaving));
    const float threshold = scaled == 0 ? -kNever : scaled < values.size() ? values[scaled] : kNever;
    // Of equal uncertainties all stay or all leave; the scalar never turns the order around.
    result.push_back(part < 1 ? std::min(threshold, thresholds_[k]) : std::max(threshold, thresholds_[k]));
  }
  return result;
}

void checkEnoughToProve(const Demand& demand, int64_t provingImages) {
  const int64_t needed = imagesNeeded(demand.maxRisk, demand.confidence);
  if (provingImages < needed)
    throw Error(text("--max-risk: found ", provingImages, " images to prove it with, expected at least ",
                     needed, " for a risk of ", demand.maxRisk * 100, " % with ", demand.confidence * 100,
                     " % confidence; hold out more images, raise --check-share, or ask for less"));
}

ProvenChoice chooseWithProof(const Demand& demand, const std::vector<graph::ExitRule>& rules,
                             const ScoreTable& choosing, const ScoreTable& proving,
                             const std::vector<graph::ExitCost>& costs) {
  checkDemand(demand, costs);
  checkEnoughToProve(demand, proving.count);
  ProvenChoice result;
  result.images = proving.count;
  result.allowed = lossesAllowed(proving.count, demand.maxRisk, demand.confidence);
  Goal goal;  // accuracy is the share of images that are not lost
  goal.leastAccuracy = 1 - static_cast<double>(result.allowed) / static_cast<double>(proving.count);
  goal.price = std::numeric_limits<double>::infinity();

  const std::vector<uint8_t> staticChoosing = staticRight(choosing);
  for (const graph::ExitRule& rule : rules) {
    const Decisions decisions = decisionsOf(choosing, rule);
    const ThresholdSearch search(againstStatic(decisions, staticChoosing), {}, costs);
    const std::vector<FoundThresholds> frontier = search.frontier(goal.cleanWeight);
    const FoundThresholds best = search.best(goal, frontier);
    TriedRule tried{rule, measureRule(decisions, {}, costs, best.thresholds), meritOf(best.point, goal), {}};
    tried.rule.thresholds = best.thresholds;
    for (const FoundThresholds& found : frontier)
      tried.frontier.push_back({found.thresholds, measureRule(decisions, {}, costs, found.thresholds)});
    result.choice.tried.push_back(std::move(tried));
  }
  const TriedRule& best = *bestOf(result.choice.tried);

  const Decisions chosenOn = decisionsOf(choosing, best.rule);
  const Decisions kept = againstStatic(decisionsOf(proving, best.rule), staticRight(proving));
  std::vector<std::vector<float>> family;
  std::vector<int64_t> lost;
  const ShareFamily shares(chosenOn, best.rule.thresholds);
  for (int step = 0; step <= kSteps * kMostParts; ++step) {
    family.push_back(shares.at(static_cast<double>(step) / kSteps));
    lost.push_back(lostBy(kept, family.back()));
  }
  const size_t proven = provenChoices(lost, proving.count, demand.maxRisk, demand.confidence);
  if (proven == 0)
    throw Error(text("--max-risk: with everybody at the main exit the best rule (fusion ",
                     graph::nameOf(best.rule.fusion), ") loses ", lost.front(), " of ", proving.count,
                     " images against the static net, expected at most ", result.allowed,
                     "; allow a larger risk, or try --fusion last"));
  result.lost = lost[proven - 1];
  result.part = static_cast<double>(proven - 1) / kSteps;
  result.choice.rule = best.rule;
  result.choice.rule.thresholds = family[proven - 1];
  result.choice.point = measureRule(chosenOn, {}, costs, result.choice.rule.thresholds);
  return result;
}

}  // namespace rdi::train
