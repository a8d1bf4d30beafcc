// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What the stronger attacks promise: best points, step halving, other norms, black box.

#include <gtest/gtest.h>

#include <cmath>

#include "tests/trainer/tiny.hpp"
#include "trainer/attack_plan.hpp"
#include "trainer/attacks.hpp"
#include "trainer/ball.hpp"
#include "trainer/kept.hpp"
#include "trainer/route.hpp"
#include "trainer/steps.hpp"
#include "trainer/torch_compat.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

torch::Generator generator(uint64_t seed = 1) { return makeGenerator(torch::kCPU, seed); }

Tensor images(int64_t count) {
  torch::manual_seed(5);
  return torch::rand({count, 1, 8, 8});
}

Tensor labelsFor(int64_t count) { return torch::arange(count, torch::kInt64).remainder(10); }

// What the net itself answers: images that are all right.
Tensor answersOf(GraphModule& module, const Tensor& x, const graph::ExitRule& rule) {
  torch::NoGradGuard noGradient;
  const Route route(module.forward(x, {}), rule);
  return torch::where(route.taken() == 0, route.answers()[0].argmax(1), route.answers()[1].argmax(1));
}

graph::ExitRule ruleWith(float threshold) {
  graph::ExitRule rule;
  rule.thresholds = {threshold};
  return rule;
}

AttackRequest requestOf(double epsilon, int steps, Norm norm = Norm::linf) {
  AttackRequest request;
  request.options.epsilon = epsilon;
  request.options.stepSize = epsilon / 4;
  request.options.steps = steps;
  request.options.norm = norm;
  request.queries = steps;
  return request;
}

// Every method in every form, on a net with two exits.
std::vector<Attack> everyAttack(double epsilon, int steps, Norm norm = Norm::linf) {
  std::vector<Attack> attacks;
  for (const std::string& method : attackMethods()) {
    if (norm == Norm::l2 && method == "square") continue;
    for (const char* form : {"single:1", "main", "average", "max-average", "own", "random", "routed",
                             "soft-routed", "slowdown-uniform", "slowdown-hinge", "slowdown-depth"})
      attacks.push_back(
          attackOf(method, attackFormFromName(form, 2), requestOf(epsilon, steps, norm), true, 2));
  }
  return attacks;
}

TEST(EveryAttack, StaysInItsBallAndInThePixelRangeAndIsTheSameForTheSameSeed) {
  GraphModule module(test::tinyNet(true));
  const Tensor x = images(12), labels = labelsFor(12);
  for (const Norm norm : {Norm::linf, Norm::l2}) {
    const double epsilon = norm == Norm::linf ? 0.1 : 0.8;
    for (const Attack& attack : everyAttack(epsilon, 4, norm)) {
      SCOPED_TRACE(attack.name + " " + nameOf(norm));
      const auto run = [&](uint64_t seed) {
        torch::Generator random = generator(seed);
        return attackUnderRule(module, x, labels, attack.options, attack.form, ruleWith(2.2F), random);
      };
      const Tensor moved = run(1);
      EXPECT_GE(moved.min().item<float>(), 0);
      EXPECT_LE(moved.max().item<float>(), 1);
      const Tensor way = (moved - x).flatten(1);
      const float far =
          norm == Norm::linf ? way.abs().max().item<float>() : way.norm(2, 1).max().item<float>();
      if (attack.inBall) {
        EXPECT_LE(far, epsilon * (1 + 1e-5));
      }
      EXPECT_EQ(attack.inBall, attack.options.project);
      EXPECT_TRUE(torch::equal(moved, run(1)));
    }
  }
}

TEST(BestPointAttacks, NeverGiveBackWhatTheyHadReached) {
  GraphModule module(test::tinyNet(false));
  const graph::ExitRule rule = ruleWith(2.25F);
  const Tensor x = images(40), labels = answersOf(module, x, rule);
  for (const char* method : {"apgd-ce", "apgd-dlr", "square"})
    for (const char* form : {"main", "average", "routed", "soft-routed"}) {
      SCOPED_TRACE(std::string(method) + " " + form);
      Attack attack = attackOf(method, attackFormFromName(form, 2), requestOf(0.05, 5), true, 2);
      const auto outcome = [&](const Tensor& moved) {
        torch::NoGradGuard noGradient;
        torch::Generator random = generator();
        const Goal goal = goalOf(attack.form, attack.options, rule, 2, random);
        const auto scores = module.forward(moved, {});
        const Aim aim{labels, {}, {}};
        return std::pair{goal.reached(scores, aim), goal.loss(scores, aim)};
      };
      const auto run = [&](int restarts, bool randomStart) {
        attack.options.restarts = restarts;
        attack.options.randomStart = randomStart;
        torch::Generator random = generator();
        return attackUnderRule(module, x, labels, attack.options, attack.form, rule, random);
      };
      // The first of three runs draws what the only one does; from the image itself, that is the first point.
      for (const auto& [more, less] : {std::pair{run(3, true), run(1, true)}, {run(1, false), x}}) {
        if (attack.options.stepRule == StepRule::square && torch::equal(less, x)) continue;
        const auto [reached, loss] = outcome(more);
        const auto [reachedBefore, lossBefore] = outcome(less);
        EXPECT_TRUE((reached >= reachedBefore).all().item<bool>());
        const Tensor same = reached == reachedBefore;
        EXPECT_TRUE(torch::logical_or(same.logical_not(), loss >= lossBefore - 1e-5).all().item<bool>());
      }
      EXPECT_EQ(outcome(x).first.sum().item<int64_t>(), 0);
      EXPECT_GT(outcome(run(3, true)).first.sum().item<int64_t>(), 0);
    }
}

TEST(Kept, OneThatGotFurtherBeatsALargerLoss) {
  Kept kept(torch::zeros({3, 1, 1, 1}));
  const Tensor rows = torch::arange(3);
  const auto offer = [&](const std::vector<float>& values, const std::vector<int64_t>& reached,
                         const std::vector<float>& losses) {
    kept.offer(rows, torch::tensor(values).view({3, 1, 1, 1}), torch::tensor(reached), torch::tensor(losses));
  };
  offer({1, 1, 1}, {0, 0, 1}, {5, 5, 5});
  offer({2, 2, 2}, {1, 0, 0}, {1, 6, 9});
  offer({3, 3, 3}, {1, 0, 1}, {0, 2, 7});
  EXPECT_TRUE(torch::equal(kept.images().view(3), torch::tensor({2.F, 2.F, 3.F})));
  EXPECT_TRUE(torch::equal(kept.reached(), torch::tensor({1, 0, 1}, torch::kInt64)));
  kept.offer(torch::tensor({1}, torch::kInt64), torch::full({1, 1, 1, 1}, 9.F), {}, torch::tensor({7.F}));
  EXPECT_EQ(kept.images()[1].item<float>(), 9);
}

TEST(Apgd, StepsAndMomentumWorkedOutByHand) {
  // One pixel at 0.5, radius 0.2, gradient always up: the first step goes 0.4 and is projected to 0.7, the
  // second stays there.
  AttackOptions options;
  options.epsilon = 0.2;
  options.steps = 10;
  options.stepRule = StepRule::apgd;
  const Tensor x = torch::full({1, 1, 1, 1}, 0.5F), up = torch::ones_like(x), down = -up;
  const Ball ball(x, options);
  const auto loss = [](float value) { return torch::full({1}, value); };
  Steps steps(options, 1);
  Tensor moved = steps.next(x, up, loss(0), ball, 0);
  EXPECT_FLOAT_EQ(moved.item<float>(), 0.7F);
  // Then down: ahead is 0.3, and 0.7 + 0.75 (0.3 - 0.7) + 0.25 (0.7 - 0.5) = 0.45. The loss rose once, the
  // first check comes after two steps.
  moved = steps.next(moved, down, loss(1), ball, 1);
  EXPECT_FLOAT_EQ(moved.item<float>(), 0.45F);
  // It fell: one rise in two steps is less than 0.75 of them, so the step is halved to 0.2 and the attack
  // starts again at the best point, 0.7, with the gradient found there: ahead 0.5.
  moved = steps.next(moved, up, loss(0.5F), ball, 2);
  EXPECT_FLOAT_EQ(moved.item<float>(), 0.7F + 0.75F * (0.5F - 0.7F) + 0.25F * (0.7F - 0.7F));
}

TEST(Apgd, BreaksMoreThanAsManyStepsThatAreTooSmall) {
  GraphModule module(test::tinyNet(false));
  const graph::ExitRule rule = ruleWith(2.25F);
  const Tensor x = images(60), labels = answersOf(module, x, rule);
  const auto broken = [&](const char* method) {
    AttackRequest request = requestOf(0.05, 10);
    request.options.stepSize = 0.001;
    const Attack attack = attackOf(method, attackFormFromName("routed", 2), request, true, 2);
    torch::Generator random = generator();
    const Tensor moved = attackUnderRule(module, x, labels, attack.options, attack.form, rule, random);
    return (answersOf(module, moved, rule) != labels).sum().item<int64_t>();
  };
  EXPECT_GT(broken("apgd-ce"), broken("pgd"));
}

TEST(Routed, FollowsTheExitThatIsTakenNow) {
  GraphModule module(test::tinyNet(false));
  const Tensor x = images(30), labels = labelsFor(30);
  AttackOptions options = requestOf(0.1, 3).options;
  options.randomStart = false;
  const auto run = [&](const AttackForm& form, const graph::ExitRule& rule) {
    torch::Generator random = generator();
    return attackUnderRule(module, x, labels, options, form, rule, random);
  };
  using Kind = AttackForm::Kind;
  constexpr float kAlways = std::numeric_limits<float>::infinity();
  // Where one exit takes all, routed is the attack on that exit alone, and so is its soft form.
  for (const Kind kind : {Kind::routed, Kind::softRouted}) {
    EXPECT_TRUE(torch::equal(run({kind, 0}, ruleWith(kAlways)), run({Kind::single, 0}, ruleWith(kAlways))));
    EXPECT_TRUE(torch::equal(run({kind, 0}, ruleWith(-kAlways)), run({Kind::single, 1}, ruleWith(-kAlways))));
  }
  // Otherwise it climbs the loss of what the rule answers higher than an attack on either exit does, on the
  // whole.
  torch::NoGradGuard noGradient;
  const Tensor entropies = Route(module.forward(x, {}), ruleWith(0)).uncertainty()[0];
  const graph::ExitRule rule = ruleWith(entropies.median().item<float>());
  const auto answered = [&](const Tensor& moved) {
    torch::Generator random = generator();
    const Goal goal = goalOf({Kind::routed, 0}, options, rule, 2, random);
    return goal.loss(module.forward(moved, {}), {labels, {}, {}}).mean().item<double>();
  };
  const double routed = answered(run({Kind::routed, 0}, rule));
  EXPECT_GT(routed, answered(x));
  EXPECT_GT(routed, std::min(answered(run({Kind::single, 0}, rule)), answered(run({Kind::single, 1}, rule))));
}

TEST(Slowdown, SendsMoreImagesToTheEnd) {
  GraphModule module(test::tinyNet(false));
  const Tensor x = images(50), labels = labelsFor(50);
  torch::NoGradGuard noGradient;
  const Tensor entropies = Route(module.forward(x, {}), ruleWith(0)).uncertainty()[0];
  const graph::ExitRule rule = ruleWith(std::get<0>(entropies.kthvalue(40)).item<float>());
  const auto toTheEnd = [&](const Tensor& moved) {
    return Route(module.forward(moved, {}), rule).taken().sum().item<int64_t>();
  };
  const int64_t before = toTheEnd(x);
  for (const char* form : {"slowdown-uniform", "slowdown-hinge", "slowdown-depth"}) {
    const Attack attack = attackOf("pgd", attackFormFromName(form, 2), requestOf(0.1, 8), true, 2);
    torch::Generator random = generator();
    EXPECT_GT(toTheEnd(attackUnderRule(module, x, labels, attack.options, attack.form, rule, random)), before)
        << form;
  }
}

TEST(Wrm, StepsWorkedOutByHand) {
  AttackOptions options;
  options.stepRule = StepRule::wrm;
  options.epsilon = 0.3;
  options.project = false;
  const Tensor centre = torch::full({1, 1, 1, 1}, 0.5F), gradient = torch::full_like(centre, 2);
  const Ball ball(centre, options);
  Steps steps(options, 1);
  const Tensor loss = torch::zeros({1});
  const Tensor first = steps.next(centre, gradient, loss, ball, 0);
  EXPECT_FLOAT_EQ(first.item<float>(), 0.5F + 0.3F * 2 / std::sqrt(2.F));
  const Tensor second = steps.next(torch::full_like(centre, 0.6F), gradient, loss, ball, 1);
  EXPECT_FLOAT_EQ(second.item<float>(), 0.6F + (0.6F - 0.1F) / std::sqrt(3.F));
}

TEST(MaxAverage, ChoosesAmongTheSingleAttacksItIsGiven) {
  GraphModule module(test::tinyNet(false));
  const Tensor x = images(20), labels = labelsFor(20);
  const AttackOptions options = requestOf(0.1, 3).options;
  std::vector<Tensor> singles;
  for (size_t k : {0U, 1U}) {
    torch::Generator random = generator(k + 5);
    singles.push_back(
        attackUnderRule(module, x, labels, options, {AttackForm::Kind::single, k}, ruleWith(1), random));
  }
  torch::Generator random = generator();
  const Tensor moved = attackUnderRule(module, x, labels, options, {AttackForm::Kind::maxAverage, 0},
                                       ruleWith(1), random, singles);
  torch::NoGradGuard noGradient;
  const Goal sum = sumUnderRule(options, ruleWith(1));
  const Aim aim{labels, {}, {}};
  const Tensor first = sum.loss(module.forward(singles[0], {}), aim),
               main = sum.loss(module.forward(singles[1], {}), aim);
  EXPECT_TRUE(torch::equal(moved, torch::where((first >= main).view({-1, 1, 1, 1}), singles[0], singles[1])));
}

TEST(SingleExitModels, AreAttackedLikeAnyOtherButNotSlowedDown) {
  onnx::ModelProto model = test::tinyNet(false);
  model.mutable_graph()->mutable_output()->DeleteSubrange(0, 1);  // exit1
  GraphModule module(model);
  ASSERT_EQ(module.exitCount(), 1U);
  const Tensor x = images(8), labels = labelsFor(8);
  graph::ExitRule rule;
  const AttackOptions options = requestOf(0.1, 2).options;
  const auto run = [&](AttackForm::Kind kind) {
    torch::Generator random = generator();
    return attackUnderRule(module, x, labels, options, {kind, 0}, rule, random);
  };
  using Kind = AttackForm::Kind;
  for (const Kind kind : {Kind::average, Kind::routed, Kind::softRouted})
    EXPECT_TRUE(torch::allclose(run(kind), run(Kind::single))) << AttackForm{kind, 0}.name(1);
  EXPECT_THROW(run(Kind::slowdownHinge), Error);
}

}  // namespace
}  // namespace rdi::train
