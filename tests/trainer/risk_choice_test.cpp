// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/risk_choice.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "graph/error.hpp"
#include "tests/trainer/score_tables.hpp"

namespace rdi::train {
namespace {

using test::Answer;
using test::costsOf;
using test::tableOf;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Demand risk(double most, double confidence) {
  Demand demand;
  demand.policy = Policy::risk;
  demand.maxRisk = most;
  demand.confidence = confidence;
  return demand;
}

// The share of a table that the static net gets right and the rule wrong, by the exit rule itself.
double riskOf(const ScoreTable& table, const graph::ExitRule& rule) {
  const RuleOutcome outcome = applyRule(table, rule);
  const std::vector<uint8_t> mainRight = staticRight(table);
  double lost = 0;
  for (size_t i = 0; i < mainRight.size(); ++i) lost += mainRight[i] != 0 && !outcome.right[i];
  return lost / static_cast<double>(mainRight.size());
}

TEST(ShareFamily, LetsGoThatPartOfEachExitsImages) {
  const ScoreTable table = tableOf({{{9, true}, {1, true}, {9, true}},
                                    {{8, true}, {2, true}, {9, true}},
                                    {{7, true}, {3, true}, {9, true}},
                                    {{6, true}, {4, true}, {9, true}}});
  const Decisions decisions = decisionsOf(table, {});
  const auto shares = [&](const std::vector<float>& thresholds) {
    std::vector<int> counts(2);
    for (size_t i = 0; i < 4; ++i)
      for (size_t k = 0; k < 2; ++k) counts[k] += decisions.uncertainty[decisions.at(i, k)] < thresholds[k];
    return counts;
  };
  const std::vector<float> given = {decisions.uncertainty[decisions.at(2, 0)], kInfinity};
  const ShareFamily family(decisions, given);
  EXPECT_EQ(shares(given), (std::vector<int>{2, 4}));
  EXPECT_EQ(family.at(0), (std::vector<float>{-kInfinity, -kInfinity}));
  EXPECT_EQ(shares(family.at(0.5)), (std::vector<int>{1, 2}));
  EXPECT_EQ(family.at(1), given);
  EXPECT_EQ(shares(family.at(1.5)), (std::vector<int>{3, 4}));
  EXPECT_EQ(shares(family.at(2)), (std::vector<int>{4, 4}));
  std::vector<float> last = family.at(0);
  for (double part = 0; part <= 2; part += 0.01)
    for (size_t k = 0; k < 2; ++k) {
      EXPECT_GE(family.at(part)[k], last[k]) << part;
      last[k] = family.at(part)[k];
    }
}

TEST(RiskChoice, HandWorked) {
  // Ten images a set, surer ones first; exit 1 is wrong on the two least sure, main always right. With a risk
  // of 1/2 and confidence 3/4 up to 3 of 10 may be lost: P(Bin(10, 1/2) <= 3) = 176/1024 = 0.17, <= 4: 0.38.
  std::vector<std::vector<Answer>> images;
  for (int i = 0; i < 10; ++i) images.push_back({{static_cast<float>(10 - i), i < 8}, {20, true}});
  const ScoreTable table = tableOf(images);
  const ProvenChoice found =
      chooseWithProof(risk(0.5, 0.75), {graph::ExitRule()}, table, table, costsOf({10, 100}));
  EXPECT_EQ(found.allowed, 3);
  EXPECT_EQ(found.images, 10);
  EXPECT_EQ(found.lost, 2) << "all leave at exit 1";
  EXPECT_NEAR(found.choice.point.cost, 0.1, 1e-12);

  // Exit 1 wrong on the six least sure: three of those may leave, and no more.
  for (int i = 4; i < 8; ++i) images[static_cast<size_t>(i)][0].right = false;
  const ScoreTable worse = tableOf(images);
  const ProvenChoice strict =
      chooseWithProof(risk(0.5, 0.75), {graph::ExitRule()}, worse, worse, costsOf({10, 100}));
  EXPECT_EQ(strict.lost, 3);
  EXPECT_NEAR(applyRule(worse, strict.choice.rule).shares[0], 0.7, 1e-12);
}

TEST(RiskChoice, KeepsItsPromiseAndAChoiceWithoutProofDoesNot) {
  // A world whose risks are known: all images of `population`. Each trial draws two sets from it, with
  // replacement, so that they are independent of each other.
  const ScoreTable population = test::randomTable(3, 6000, 77);
  const auto costs = costsOf({20, 60, 105});
  constexpr double kRisk = 0.1, kConfidence = 0.9;
  constexpr int kTrials = 300, kImages = 300;
  std::mt19937 random(3);
  int broken = 0, brokenWithout = 0;
  double cost = 0;
  const auto draw = [&] {
    std::vector<int64_t> places;
    for (int i = 0; i < kImages; ++i) places.push_back(static_cast<int64_t>(random() % 6000));
    return population.select(places);
  };
  for (int trial = 0; trial < kTrials; ++trial) {
    const ScoreTable choosing = draw(), proving = draw();
    const auto rules = rulesToTry({graph::Criterion::entropy}, {graph::Fusion::last}, {1, 2});
    const ProvenChoice found = chooseWithProof(risk(kRisk, kConfidence), rules, choosing, proving, costs);
    broken += riskOf(population, found.choice.rule) > kRisk;
    cost += found.choice.point.cost / kTrials;
    // The cheapest that loses no more than asked on the images at hand.
    const Decisions kept = againstStatic(decisionsOf(proving, {}), staticRight(proving));
    const ThresholdSearch search(kept, {}, costs);
    Goal goal;
    goal.leastAccuracy = 1 - kRisk;
    goal.price = std::numeric_limits<double>::infinity();
    graph::ExitRule naive;
    naive.thresholds = search.best(goal, search.frontier(1)).thresholds;
    brokenWithout += riskOf(population, naive) > kRisk;
  }
  RecordProperty("broken", broken);
  RecordProperty("broken_without_proof", brokenWithout);
  RecordProperty("cost", std::to_string(cost));
  // 1 - confidence of the trials, and three standard deviations of such a count.
  EXPECT_LE(broken, kTrials * (1 - kConfidence) + 3 * std::sqrt(kTrials * kConfidence * (1 - kConfidence)));
  EXPECT_GT(broken, 0) << "a bound that is never touched is too careful";
  EXPECT_GT(brokenWithout, kTrials / 2);
  EXPECT_LT(cost, 0.85) << "a promise that is kept by never leaving early is no help";
}

TEST(RiskChoice, SaysHowManyImagesItNeeds) {
  const ScoreTable table = test::randomTable(2, 100, 1);
  const auto refusal = [&](const Demand& demand, const graph::ExitRule& rule) -> std::string {
    try {
      chooseWithProof(demand, {rule}, table, table, costsOf({20, 100}));
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was refused";
  };
  EXPECT_NE(refusal(risk(0.01, 0.95), {}).find("found 100 images to prove it with, expected at least 299"),
            std::string::npos);
  EXPECT_NE(refusal(risk(0, 0.95), {}).find("--max-risk"), std::string::npos);
  EXPECT_NE(refusal(risk(0.1, 1), {}).find("--confidence"), std::string::npos);
  EXPECT_NE(refusal(risk(0.1, 0.2), {}).find("--confidence"), std::string::npos);
  graph::ExitRule mean;
  mean.fusion = graph::Fusion::mean;
  EXPECT_NE(refusal(risk(0.03, 0.95), mean).find("--fusion last"), std::string::npos)
      << refusal(risk(0.03, 0.95), mean);
}

}  // namespace
}  // namespace rdi::train
