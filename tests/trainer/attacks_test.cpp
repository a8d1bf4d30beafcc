// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attacks.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/torch_compat.hpp"

namespace rdi::train {
namespace {

using test::modelOf;
using test::node;
using torch::Tensor;

torch::Generator generator(uint64_t seed = 1) { return makeGenerator(torch::kCPU, seed); }

// Two classes, two exits: scores W x with W given row by row for each exit.
onnx::ModelProto linearNet(const std::vector<float>& first, const std::vector<float>& second) {
  onnx::NodeProto exit1 = node("Gemm", {"f", "w1"}, "exit1"), main = node("Gemm", {"f", "w2"}, "main");
  graph::setAttribute(exit1, "transB", int64_t{1});
  graph::setAttribute(main, "transB", int64_t{1});
  return modelOf({node("Flatten", {"x"}, "f"), exit1, main},
                 {graph::floatTensor("w1", {2, 3}, first), graph::floatTensor("w2", {2, 3}, second)},
                 {0, 3, 1, 1}, {"exit1", "main"});
}

Tensor images(int64_t count) {
  torch::manual_seed(5);
  return torch::rand({count, 1, 8, 8});
}

Tensor labelsFor(int64_t count) { return torch::arange(count, torch::kInt64).remainder(10); }

Tensor crossEntropyOf(GraphModule& module, const Tensor& x, const Tensor& labels, size_t exit) {
  torch::NoGradGuard noGradient;
  return torch::cross_entropy_loss(module.forward(x, {})[exit], labels, {}, at::Reduction::None);
}

TEST(Perturb, OneStepWithoutStartIsTheSignStepWorkedOutByHand) {
  GraphModule module(linearNet({1, -1, 0, -1, 1, 0}, {0, 0, 2, 0, 0, -2}));
  // Gradient of the loss of class 0 is -(1 - p0) (row0 - row1): at exit 1 along (-1, 1, 0), at main along (0,
  // 0, -1).
  const Tensor x = torch::tensor({0.5F, 0.95F, 0.04F}).view({1, 3, 1, 1});
  const Tensor label = torch::zeros({1}, torch::kInt64);
  AttackOptions options;
  options.epsilon = 0.2;
  options.stepSize = 0.1;
  options.steps = 1;
  options.randomStart = false;
  auto random = generator();
  const auto attacked = [&](const Goal& loss) {
    return perturb(module, x, {label}, options, loss, random).view(3);
  };
  EXPECT_TRUE(torch::allclose(attacked(singleExit(0)), torch::tensor({0.4F, 1.0F, 0.04F})));  // clamped at 1
  EXPECT_TRUE(torch::allclose(attacked(singleExit(1)), torch::tensor({0.5F, 0.95F, 0.0F})));  // clamped at 0
  EXPECT_TRUE(torch::allclose(attacked(averageOfExits()), torch::tensor({0.4F, 1.0F, 0.0F})));
  options.stepSize = 0.5;  // projected back to the radius
  EXPECT_TRUE(torch::allclose(attacked(singleExit(0)), torch::tensor({0.3F, 1.0F, 0.04F})));
  options.project = false;
  EXPECT_TRUE(torch::allclose(attacked(singleExit(0)), torch::tensor({0.0F, 1.0F, 0.04F})));
}

TEST(Perturb, StaysInTheBallAndInThePixelRangeAndRaisesTheLoss) {
  GraphModule module(test::tinyNet(true));
  const Tensor x = images(20), labels = labelsFor(20);
  AttackOptions options;
  options.epsilon = 0.15;
  options.stepSize = 0.04;
  auto random = generator();
  for (const int steps : {0, 1, 7})
    for (const Goal& loss : {singleExit(0), singleExit(1), averageOfExits()}) {
      options.steps = steps;
      const Tensor moved = perturb(module, x, {labels}, options, loss, random);
      // One rounding of x - epsilon or x + epsilon in float32.
      EXPECT_LE((moved - x).abs().max().item<float>(), 0.15F + 1e-6F);
      EXPECT_GE(moved.min().item<float>(), 0);
      EXPECT_LE(moved.max().item<float>(), 1);
      EXPECT_FALSE(moved.requires_grad());
    }
  options.steps = 7;
  for (size_t k : {0U, 1U}) {
    const Tensor moved = perturb(module, x, {labels}, options, singleExit(k), random);
    EXPECT_TRUE(
        (crossEntropyOf(module, moved, labels, k) > crossEntropyOf(module, x, labels, k)).all().item<bool>());
  }
}

TEST(Perturb, LeavesParametersAndTheirGradientsAlone) {
  GraphModule module(test::tinyNet(true));
  const Tensor x = images(6), labels = labelsFor(6);
  for (const Tensor& parameter : module.trainable())
    parameter.mutable_grad() = torch::full_like(parameter, 3);
  std::vector<Tensor> before;
  for (const GraphModule::Weight& weight : module.weights()) before.push_back(weight.value.detach().clone());
  AttackOptions options;
  options.steps = 2;
  auto random = generator();
  for (const AttackMode mode : {AttackMode::eval, AttackMode::batch}) {
    options.mode = mode;
    perturb(module, x, {labels}, options, singleExit(0), random);
    perturb(module, x, {labels}, options, averageOfExits(), random);
  }
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(torch::equal(module.weights()[i].value, before[i]));
  for (const Tensor& parameter : module.trainable()) {
    EXPECT_TRUE(parameter.requires_grad());
    EXPECT_TRUE((parameter.grad() == 3).all().item<bool>());
  }
  options.mode = AttackMode::train;  // as the paper's code: the running statistics see the attack
  perturb(module, x, {labels}, options, singleExit(1), random);
  bool moved = false;
  for (size_t i = 0; i < before.size(); ++i) {
    const bool isEqual = torch::equal(module.weights()[i].value, before[i]);
    if (module.weights()[i].kind == GraphModule::Kind::statistic) {
      moved = moved || !isEqual;
    } else {
      EXPECT_TRUE(isEqual);
    }
  }
  EXPECT_TRUE(moved);
}

TEST(Perturb, TheSameSeedGivesTheSameImages) {
  GraphModule module(test::tinyNet(false));
  const Tensor x = images(4), labels = labelsFor(4);
  AttackOptions options;
  options.steps = 3;
  auto first = generator(9), second = generator(9), other = generator(10);
  const Tensor moved = perturb(module, x, {labels}, options, averageOfExits(), first);
  EXPECT_TRUE(torch::equal(moved, perturb(module, x, {labels}, options, averageOfExits(), second)));
  EXPECT_FALSE(torch::equal(moved, perturb(module, x, {labels}, options, averageOfExits(), other)));
}

TEST(Perturb, RestartsKeepTheWorstRunOfEachImage) {
  GraphModule module(test::tinyNet(false));
  const Tensor x = images(30), labels = labelsFor(30);
  AttackOptions options;
  options.steps = 1;
  auto shared = generator(4);
  const Tensor one = perturb(module, x, {labels}, options, singleExit(1), shared);
  const Tensor two = perturb(module, x, {labels}, options, singleExit(1), shared);
  options.restarts = 2;
  auto again = generator(4);
  const Tensor kept = perturb(module, x, {labels}, options, singleExit(1), again);
  const Tensor expected =
      torch::max(crossEntropyOf(module, one, labels, 1), crossEntropyOf(module, two, labels, 1));
  EXPECT_TRUE(torch::allclose(crossEntropyOf(module, kept, labels, 1), expected));
}

TEST(Attack, OwnAttacksEachImagesDrawnExit) {
  GraphModule module(test::tinyNet(false));
  const Tensor x = images(6), labels = labelsFor(6);
  AttackOptions options;
  options.steps = 2;
  options.randomStart = false;
  auto random = generator();
  const Tensor first = perturb(module, x, {labels}, options, singleExit(0), random);
  const Tensor main = perturb(module, x, {labels}, options, singleExit(1), random);
  const graph::ExitRule rule = graph::mainExitOnly(2);
  const Tensor drawn = torch::tensor({0, 1, 1, 0, 1, 0}, torch::kInt64);
  const Tensor own = perturb(module, x, {labels, {}, drawn}, options,
                             goalOf({AttackForm::Kind::own, 0}, options, rule, 2, random), random);
  EXPECT_TRUE(torch::equal(own, torch::where(drawn.view({-1, 1, 1, 1}) == 0, first, main)));
  // Drawn for each image anew: among 200 images both exits are.
  options.steps = 1;
  const Tensor many = images(1).repeat({200, 1, 1, 1});
  const Tensor moved = attackUnderRule(module, many, torch::zeros({200}, torch::kInt64), options,
                                       {AttackForm::Kind::own, 0}, rule, random);
  const int64_t likeTheFirst = (moved == moved[0]).flatten(1).all(1).sum().item<int64_t>();
  EXPECT_GT(likeTheFirst, 50);
  EXPECT_LT(likeTheFirst, 150);
}

TEST(Attack, MaxAverageTakesPerImageTheSingleAttackThatHurtsAllExitsMost) {
  // Exit 1 looks at pixel 0, main at pixel 1; both lose class 0 as their pixel darkens, and one is dark
  // already.
  GraphModule module(linearNet({1, 0, 0, -1, 0, 0}, {0, 1, 0, 0, -1, 0}));
  const Tensor x = torch::tensor({0.F, 0.5F, 0.F, 0.5F, 0.F, 0.F}).view({2, 3, 1, 1});
  AttackOptions options;
  options.epsilon = 0.3;
  options.stepSize = 0.1;
  options.steps = 2;
  options.randomStart = false;
  auto random = generator();
  const Tensor moved = attackUnderRule(module, x, torch::zeros({2}, torch::kInt64), options,
                                       {AttackForm::Kind::maxAverage, 0}, graph::mainExitOnly(2), random);
  EXPECT_TRUE(
      torch::allclose(moved.view({2, 3}), torch::tensor({0.F, 0.3F, 0.F, 0.3F, 0.F, 0.F}).view({2, 3})));
}

TEST(AttackForm, NamesAreOneBasedAndUnknownOnesRefused) {
  EXPECT_EQ(attackFormFromName("single:1", 3).exit, 0U);
  EXPECT_EQ(attackFormFromName("main", 3).exit, 2U);
  for (const char* name : {"average", "own", "max-average", "main", "single:2"})
    EXPECT_EQ(attackFormFromName(name, 3).name(3), name);
  for (const char* name : {"", "single:0", "single:4", "single:", "single:1x", "single:-1", "average "})
    EXPECT_THROW(attackFormFromName(name, 3), Error) << name;
  EXPECT_THROW(attackModeFromName("test"), Error);
}

TEST(AttackOptions, NonsenseIsRefused) {
  const auto refused = [](const auto& spoil) {
    AttackOptions options;
    spoil(options);
    EXPECT_THROW(checkAttackOptions(options), Error);
  };
  refused([](AttackOptions& o) { o.epsilon = -0.1; });
  refused([](AttackOptions& o) { o.epsilon = 8; });
  refused([](AttackOptions& o) { o.epsilon = std::nan(""); });
  refused([](AttackOptions& o) { o.stepSize = -1; });
  refused([](AttackOptions& o) { o.steps = -1; });
  refused([](AttackOptions& o) { o.restarts = 0; });
  refused([](AttackOptions& o) { o.startScale = std::nan(""); });
  EXPECT_NO_THROW(checkAttackOptions({}));
}

}  // namespace
}  // namespace rdi::train
