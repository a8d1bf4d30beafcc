// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/route.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "trainer/exit_loss.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

constexpr int kExits = 4, kImages = 300, kClasses = 5;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<Tensor> randomScores(double scale = 2) {
  torch::manual_seed(3);
  std::vector<Tensor> scores;
  for (int k = 0; k < kExits; ++k) scores.push_back(torch::randn({kImages, kClasses}) * scale);
  return scores;
}

std::vector<graph::ExitRule> manyRules() {
  std::vector<graph::ExitRule> rules;
  for (const auto criterion :
       {graph::Criterion::entropy, graph::Criterion::maxProbability, graph::Criterion::margin})
    for (const auto fusion : {graph::Fusion::last, graph::Fusion::mean})
      for (const int patience : {1, 2, 3})
        for (const std::vector<float>& thresholds :
             {std::vector<float>{0.4F, 0.5F, 0.6F}, {0.7F, -kInfinity, 0.8F}, {0.2F, kInfinity, 0.3F}}) {
          graph::ExitRule rule;
          rule.criterion = criterion;
          rule.fusion = fusion;
          rule.patience = patience;
          rule.thresholds = thresholds;
          rules.push_back(rule);
        }
  return rules;
}

std::vector<const float*> rowsOf(const std::vector<Tensor>& scores, int64_t image) {
  std::vector<const float*> rows;
  for (const Tensor& exit : scores) rows.push_back(exit.data_ptr<float>() + image * exit.size(1));
  return rows;
}

TEST(Route, TakesTheExitsThatTheDeployedRuleTakes) {
  const auto scores = randomScores(4);
  std::vector<float> fused(kClasses);
  std::vector<int> seen(kExits);
  for (const graph::ExitRule& rule : manyRules()) {
    const Route route(scores, rule);
    const Tensor taken = route.taken();
    for (int64_t i = 0; i < kImages; ++i) {
      const auto rows = rowsOf(scores, i);
      const int expected = graph::exitTaken(rows.data(), kExits, kClasses, rule);
      ++seen[static_cast<size_t>(expected)];
      ASSERT_EQ(taken[i].item<int64_t>(), expected) << i;
      graph::fuseScores(rows.data(), expected, kClasses, rule.fusion, rule.scores, fused.data());
      const Tensor answer = route.answers()[expected][i];
      for (int c = 0; c < kClasses; ++c)
        ASSERT_NEAR(answer[c].item<float>(), fused[static_cast<size_t>(c)], 1e-4F);
    }
  }
  for (const int count : seen) EXPECT_GT(count, 100) << "every exit was taken";
}

TEST(Route, NaNScoresAreNeverConfident) {
  auto scores = randomScores();
  scores[0][7].fill_(std::nan(""));
  graph::ExitRule rule;
  rule.thresholds = {kInfinity, 0.5F, 0.5F};
  const Tensor taken = Route(scores, rule).taken();
  EXPECT_EQ(taken[6].item<int64_t>(), 0);
  EXPECT_GT(taken[7].item<int64_t>(), 0);
}

TEST(Route, ProbabilitiesSumToOneAndBecomeTheRuleAsItCools) {
  const auto scores = randomScores();
  for (const graph::ExitRule& rule : manyRules()) {
    const Route route(scores, rule);
    const Tensor warm = route.probabilities(0.1);
    EXPECT_TRUE(torch::allclose(warm.sum(0), torch::ones(kImages), 1e-5, 1e-5));
    EXPECT_GE(warm.min().item<float>(), 0);
    const Tensor cold = route.probabilities(1e-5);
    const Tensor certain = std::get<0>(cold.max(0)) > 0.999;
    EXPECT_GT(certain.sum().item<int64_t>(), kImages * 9 / 10);
    const Tensor same = torch::logical_or(cold.argmax(0) == route.taken(), certain.logical_not());
    EXPECT_TRUE(same.all().item<bool>());
  }
}

TEST(Route, ProbabilitiesWorkedOutByHand) {
  // Entropies of (p, 1 - p): scores (ln p, ln (1 - p)).
  const auto pair = [](float p) { return torch::log(torch::tensor({p, 1 - p})).view({1, 2}); };
  const auto entropy = [](double p) { return -p * std::log(p + 1e-5) - (1 - p) * std::log(1 - p + 1e-5); };
  graph::ExitRule rule;
  rule.thresholds = {0.5F, 0.3F};
  const Tensor found = Route({pair(0.8F), pair(0.9F), pair(0.6F)}, rule).probabilities(0.2);
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const double first = sigmoid((0.5 - entropy(0.8)) / 0.2);
  const double second = (1 - first) * sigmoid((0.3 - entropy(0.9)) / 0.2);
  EXPECT_NEAR(found[0][0].item<double>(), first, 1e-5);
  EXPECT_NEAR(found[1][0].item<double>(), second, 1e-5);
  EXPECT_NEAR(found[2][0].item<double>(), 1 - first - second, 1e-5);
}

// Goals on scores that are images themselves: exit k of image i is x[i, k, :].
class GoalGradient : public testing::Test {
protected:
  // Central differences of the sum of losses against autograd, where no switch lies between.
  static void expectGradient(const Goal& goal, double scale = 1) {
    torch::manual_seed(11);
    const int64_t count = 6;
    const Tensor base = torch::randn({count, kExits, kClasses}, torch::kFloat64) * scale;
    Aim aim{torch::arange(count).remainder(kClasses), torch::arange(count).add(1).remainder(kClasses),
            torch::arange(count).remainder(kExits),
            torch::log_softmax(torch::randn({kExits, count, kClasses}, torch::kFloat64), -1)};
    const auto lossOf = [&](const Tensor& x) { return goal.loss(x.unbind(1), aim).sum(); };
    Tensor x = base.clone().requires_grad_(true);
    const Tensor gradient = torch::autograd::grad({lossOf(x)}, {x})[0];
    torch::NoGradGuard noGradient;
    EXPECT_GT(gradient.abs().sum().item<double>(), 0);
    const double h = 1e-5;
    for (int64_t i = 0; i < base.numel(); ++i) {
      Tensor up = base.clone(), down = base.clone();
      up.view(-1)[i] += h;
      down.view(-1)[i] -= h;
      const double numeric = (lossOf(up) - lossOf(down)).item<double>() / (2 * h);
      EXPECT_NEAR(gradient.view(-1)[i].item<double>(), numeric, 2e-4) << i;
    }
  }

  static graph::ExitRule rule(graph::Fusion fusion = graph::Fusion::last) {
    graph::ExitRule result;
    result.fusion = fusion;
    result.thresholds = {1.0F, 1.1F, 1.2F};
    return result;
  }

  static Goal goal(AttackForm::Kind kind, Surrogate surrogate = Surrogate::crossEntropy,
                   const graph::ExitRule& under = rule()) {
    AttackOptions options;
    options.surrogate = surrogate;
    torch::Generator generator = at::globalContext().defaultGenerator(torch::kCPU).clone();
    generator.set_current_seed(1);
    return goalOf({kind, 1}, options, under, kExits, generator);
  }
};

TEST_F(GoalGradient, OfEverySurrogateAgreesWithDifferences) {
  for (const Surrogate surrogate : {Surrogate::crossEntropy, Surrogate::margin, Surrogate::dlr,
                                    Surrogate::targetedDlr, Surrogate::divergence}) {
    SCOPED_TRACE(nameOf(surrogate));
    expectGradient(singleExit(1, surrogate));
    expectGradient(averageOfExits(surrogate));
    expectGradient(goal(AttackForm::Kind::own, surrogate));
    expectGradient(goal(AttackForm::Kind::routed, surrogate));
  }
}

TEST_F(GoalGradient, OfEveryFormAgreesWithDifferences) {
  using Kind = AttackForm::Kind;
  for (const graph::Fusion fusion : {graph::Fusion::last, graph::Fusion::mean})
    for (const Kind kind :
         {Kind::single, Kind::average, Kind::own, Kind::random, Kind::routed, Kind::softRouted,
          Kind::slowdownUniform, Kind::slowdownHinge, Kind::slowdownDepth}) {
      const AttackForm form{kind, 1};
      SCOPED_TRACE(form.name(kExits) + " " + graph::nameOf(fusion));
      expectGradient(goal(kind, Surrogate::crossEntropy, rule(fusion)));
    }
}

TEST(Surrogate, ValuesWorkedOutByHand) {
  const Tensor answers = torch::tensor({3.F, 1.F, 0.F, -1.F, 2.F}).view({1, 5});
  const auto value = [&](int64_t label, Surrogate surrogate, int64_t other = 0) {
    const Aim aim{torch::full({1}, label, torch::kInt64), torch::full({1}, other, torch::kInt64), {}};
    return surrogateLoss(answers, aim, surrogate).item<float>();
  };
  EXPECT_FLOAT_EQ(value(0, Surrogate::margin), 2 - 3);  // right: negative
  EXPECT_FLOAT_EQ(value(2, Surrogate::margin), 3 - 0);
  EXPECT_FLOAT_EQ(value(0, Surrogate::dlr), -1.F / (3 - 1));
  EXPECT_FLOAT_EQ(value(4, Surrogate::dlr), 1.F / (3 - 1));
  EXPECT_FLOAT_EQ(value(0, Surrogate::targetedDlr, 1), (1.F - 3) / (3 - 0.5F * (1 + 0)));
  EXPECT_EQ(wrongClass(answers, torch::zeros({1}, torch::kInt64), 0).item<int64_t>(), 4);
  EXPECT_EQ(wrongClass(answers, torch::zeros({1}, torch::kInt64), 1).item<int64_t>(), 1);
}

TEST(Goal, ASlowdownIsDoneAtTheMainExitAndAnAttackOnceTheAnswerIsWrong) {
  const auto scores = randomScores();
  graph::ExitRule rule;
  rule.thresholds = {0.5F, 0.5F, 0.5F};
  AttackOptions options;
  torch::Generator generator = at::globalContext().defaultGenerator(torch::kCPU).clone();
  const Aim aim{torch::arange(kImages).remainder(kClasses), {}, {}};
  const Goal slow = goalOf({AttackForm::Kind::slowdownHinge, 0}, options, rule, kExits, generator);
  EXPECT_EQ(slow.most, kExits - 1);
  EXPECT_TRUE(torch::equal(slow.reached(scores, aim), Route(scores, rule).taken()));
  // At the main exit, and only there, nothing is left to climb.
  EXPECT_TRUE(torch::equal(slow.loss(scores, aim) == 0, Route(scores, rule).taken() == kExits - 1));

  const Goal wrong = goalOf({AttackForm::Kind::routed, 0}, options, rule, kExits, generator);
  for (int64_t i = 0; i < kImages; ++i) {
    const auto rows = rowsOf(scores, i);
    const int exit = graph::exitTaken(rows.data(), kExits, kClasses, rule);
    EXPECT_EQ(wrong.reached(scores, aim)[i].item<int64_t>(),
              graph::argmax(rows[static_cast<size_t>(exit)], kClasses) != i % kClasses);
  }
}

}  // namespace
}  // namespace rdi::train
