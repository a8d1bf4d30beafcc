// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/defence.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/error.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/attacks.hpp"
#include "trainer/torch_compat.hpp"
#include "trainer/weight_perturbation.hpp"

namespace rdi::train {
namespace {

using test::messageOf;
using torch::Tensor;

torch::Generator generator(uint64_t seed = 1) { return makeGenerator(torch::kCPU, seed); }

Batch batchOf(int64_t count) {
  torch::manual_seed(5);
  return {torch::rand({count, 1, 8, 8}), torch::arange(count, torch::kInt64).remainder(10)};
}

TrainOptions optionsFor(const std::string& defence) {
  TrainOptions options;
  options.defence = defence;
  options.attack.epsilon = 0.1;
  options.attack.stepSize = 0.04;
  options.attack.steps = 3;
  return options;
}

Tensor meanCrossEntropy(const Tensor& scores, const Tensor& labels) {
  return -torch::log_softmax(scores, 1).gather(1, labels.unsqueeze(1)).mean();
}

class DefenceOf : public testing::TestWithParam<bool> {};  // a net with BatchNormalization or without

TEST_P(DefenceOf, WeighsCleanAndAttackedCrossEntropyOfEveryExit) {
  GraphModule module(test::tinyNet(GetParam()));
  const Batch batch = batchOf(20);
  TrainOptions options = optionsFor("average");
  options.cleanWeight = 0.3;
  options.exitWeights = {0.5, 2};
  const Defence defence(options, module, torch::kCPU);
  auto random = generator();
  const AttackedImages attacked = defence.attacked(batch, options.attack, graph::mainExitOnly(2), 0, random);
  ASSERT_EQ(attacked.images.size(), 1U);
  const Defence::Loss loss = defence.lossOf(batch, attacked, ForwardMode::evaluation());
  const auto clean = module.forward(batch.images, {}), robust = module.forward(attacked.images[0], {});
  Tensor expected = torch::zeros({});
  for (size_t k = 0; k < 2; ++k)
    expected = expected + options.exitWeights[k] * (0.3 * meanCrossEntropy(clean[k], batch.labels) +
                                                    0.7 * meanCrossEntropy(robust[k], batch.labels));
  EXPECT_NEAR(loss.value.item<float>(), expected.item<float>(), 1e-5);
  ASSERT_EQ(loss.correct.sizes(), (std::vector<int64_t>{2, 2}));
  for (int64_t k = 0; k < 2; ++k) {
    const auto right = [&](const std::vector<Tensor>& scores) {
      return scores[static_cast<size_t>(k)].argmax(1).eq(batch.labels).sum().item<int64_t>();
    };
    EXPECT_EQ(loss.correct[k][0].item<int64_t>(), right(clean));
    EXPECT_EQ(loss.correct[k][1].item<int64_t>(), right(robust));
  }
}

TEST_P(DefenceOf, TradesAddsTheDivergenceOfAttackedFromCleanAnswers) {
  GraphModule module(test::tinyNet(GetParam()));
  const Batch batch = batchOf(20);
  TrainOptions options = optionsFor("own");
  options.loss = "trades";
  options.tradesBeta = 4;
  options.cleanWeight = 0;  // plays no part
  const Defence defence(options, module, torch::kCPU);
  auto random = generator();
  const AttackedImages attacked = defence.attacked(batch, options.attack, graph::mainExitOnly(2), 0, random);
  const auto clean = module.forward(batch.images, {}), robust = module.forward(attacked.images[0], {});
  Tensor expected = torch::zeros({});
  for (size_t k = 0; k < 2; ++k) {
    const Tensor p = torch::softmax(clean[k], 1);
    expected = expected + meanCrossEntropy(clean[k], batch.labels) +
               4 * (p * (torch::log(p) - torch::log_softmax(robust[k], 1))).sum(1).mean();
  }
  EXPECT_NEAR(defence.lossOf(batch, attacked, ForwardMode::evaluation()).value.item<float>(),
              expected.item<float>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(, DefenceOf, testing::Bool(), [](const auto& parameter) {
  return parameter.param ? "NetWithBatchNormalization" : "PlainNet";
});

// The mean over images of the cross-entropy of answers with wanted probabilities.
Tensor against(const Tensor& wanted, const Tensor& scores) {
  return -(wanted * torch::log_softmax(scores, 1)).sum(1).mean();
}

TEST(Defence, ATeachersAnswersToCleanImagesAreAShareOfEveryLabel) {
  GraphModule module(test::tinyNet(true)), teacher(test::tinyNet(true, 9));
  const Batch batch = batchOf(20);
  TrainOptions options = optionsFor("main");
  options.cleanWeight = 0.3;
  options.labelSmoothing = 0.1;
  options.teacherShare = 0.6;
  const Defence defence(options, module, torch::kCPU, &teacher);
  auto random = generator();
  const AttackedImages attacked = defence.attacked(batch, options.attack, graph::mainExitOnly(2), 0, random);
  const Defence::Loss loss = defence.lossOf(batch, attacked, ForwardMode::evaluation());
  const auto clean = module.forward(batch.images, {}), robust = module.forward(attacked.images[0], {});
  const Tensor label = torch::one_hot(batch.labels, 10).to(torch::kFloat32) * 0.9 + 0.01;
  const Tensor wanted = 0.4 * label + 0.6 * torch::softmax(teacher.forward(batch.images, {})[1], 1);
  Tensor expected = torch::zeros({});
  for (size_t k = 0; k < 2; ++k)
    expected = expected + 0.3 * against(wanted, clean[k]) + 0.7 * against(wanted, robust[k]);
  EXPECT_NEAR(loss.value.item<float>(), expected.item<float>(), 1e-5);
  // The teacher itself does not learn.
  loss.value.backward();
  for (const Tensor& weight : teacher.trainable()) EXPECT_FALSE(weight.grad().defined());
}

TEST(Defence, EarlierExitsHearTheMainExitWhichDoesNotHearItself) {
  GraphModule module(test::tinyNet(true));
  const Batch batch = batchOf(20);
  TrainOptions options = optionsFor("main");
  options.cleanWeight = 0;
  options.selfDistillation = 0.7;
  const Defence defence(options, module, torch::kCPU);
  auto random = generator();
  const AttackedImages attacked = defence.attacked(batch, options.attack, graph::mainExitOnly(2), 0, random);
  const Defence::Loss loss = defence.lossOf(batch, attacked, ForwardMode::evaluation());
  const auto robust = module.forward(attacked.images[0], {});
  const Tensor label = torch::one_hot(batch.labels, 10).to(torch::kFloat32);
  const Tensor heard = 0.3 * label + 0.7 * torch::softmax(robust[1].detach(), 1);
  const Tensor expected = against(heard, robust[0]) + against(label, robust[1]);
  EXPECT_NEAR(loss.value.item<float>(), expected.item<float>(), 1e-5);
  // What it hears is no way for a gradient.
  const auto weights = module.trainable();
  const auto found = torch::autograd::grad({loss.value}, weights);
  const auto wanted = torch::autograd::grad({expected}, weights);
  for (size_t i = 0; i < weights.size(); ++i)
    EXPECT_TRUE(torch::allclose(found[i], wanted[i], 1e-4, 1e-6)) << i;
}

TEST(Defence, TradesAttacksTheDivergenceAndKnowsNoLabel) {
  GraphModule module(test::tinyNet(false));
  Batch batch = batchOf(20);
  TrainOptions options = optionsFor("average");
  options.loss = "trades";
  const Defence defence(options, module, torch::kCPU);
  const auto attackedWith = [&](const Tensor& labels) {
    auto random = generator();
    return defence.attacked({batch.images, labels}, options.attack, graph::mainExitOnly(2), 0, random)
        .images[0];
  };
  const Tensor moved = attackedWith(batch.labels);
  EXPECT_TRUE(torch::equal(moved, attackedWith((batch.labels + 1).remainder(10))));
  const auto divergence = [&](const Tensor& images) {
    Tensor sum = torch::zeros({});
    const auto clean = module.forward(batch.images, {}), other = module.forward(images, {});
    for (size_t k = 0; k < 2; ++k)
      sum = sum + (torch::softmax(clean[k], 1) *
                   (torch::log_softmax(clean[k], 1) - torch::log_softmax(other[k], 1)))
                      .sum();
    return sum.item<float>();
  };
  auto random = generator(7);
  const Tensor noise = torch::empty_like(batch.images).uniform_(-0.1, 0.1, random);
  EXPECT_GT(divergence(moved), 2 * divergence((batch.images + noise).clamp(0, 1)));
}

TEST(Defence, EachExitLearnsFromItsOwnAttack) {
  GraphModule module(test::tinyNet(false));
  const Batch batch = batchOf(20);
  TrainOptions options = optionsFor("each");
  options.cleanWeight = 0;
  options.attack.randomStart = false;
  const Defence defence(options, module, torch::kCPU);
  auto random = generator();
  const graph::ExitRule rule = graph::mainExitOnly(2);
  const AttackedImages attacked = defence.attacked(batch, options.attack, rule, 0, random);
  ASSERT_EQ(attacked.images.size(), 2U);
  Tensor expected = torch::zeros({});
  for (size_t k = 0; k < 2; ++k) {
    EXPECT_TRUE(
        torch::equal(attacked.images[k], attackUnderRule(module, batch.images, batch.labels, options.attack,
                                                         {AttackForm::Kind::single, k}, rule, random)));
    expected = expected + meanCrossEntropy(module.forward(attacked.images[k], {})[k], batch.labels);
  }
  const Defence::Loss loss = defence.lossOf(batch, attacked, ForwardMode::evaluation());
  EXPECT_NEAR(loss.value.item<float>(), expected.item<float>(), 1e-5);
  EXPECT_EQ(loss.correct.size(1), 1);
}

TEST(Defence, AMixtureDrawsItsFormsByTheirWeights) {
  GraphModule module(test::tinyNet(false));
  const Batch batch = batchOf(4);
  TrainOptions options = optionsFor("main=3,single:1=1");
  options.attack.randomStart = false;
  options.attack.steps = 1;
  const Defence defence(options, module, torch::kCPU);
  auto random = generator();
  const graph::ExitRule rule = graph::mainExitOnly(2);
  const auto alone = [&](size_t k) {
    return attackUnderRule(module, batch.images, batch.labels, options.attack, {AttackForm::Kind::single, k},
                           rule, random);
  };
  const Tensor first = alone(0), main = alone(1);
  ASSERT_FALSE(torch::equal(first, main));
  int mainDrawn = 0;
  for (int64_t iteration = 0; iteration < 400; ++iteration) {
    const Tensor moved = defence.attacked(batch, options.attack, rule, iteration, random).images[0];
    const bool isMain = torch::equal(moved, main);
    ASSERT_TRUE(isMain || torch::equal(moved, first));
    EXPECT_TRUE(
        torch::equal(moved, defence.attacked(batch, options.attack, rule, iteration, random).images[0]))
        << "the draw depends on the iteration alone";
    mainDrawn += isMain;
  }
  EXPECT_NEAR(mainDrawn, 300, 40);  // 4.6 standard deviations
}

TEST(Defence, KnowsWhetherItNeedsTheRule) {
  GraphModule module(test::tinyNet(false));
  EXPECT_FALSE(Defence(optionsFor("own=1,max-average=2"), module, torch::kCPU).followsRule());
  EXPECT_TRUE(Defence(optionsFor("own=1,soft-routed=2"), module, torch::kCPU).followsRule());
  EXPECT_TRUE(Defence(optionsFor("routed"), module, torch::kCPU).followsRule());
}

TEST(Defence, RefusesWhatMakesNoSenseNamingIt) {
  GraphModule module(test::tinyNet(false));
  const auto message = [&](const std::string& forms) {
    return messageOf([&] { Defence(optionsFor(forms), module, torch::kCPU); });
  };
  EXPECT_NE(message("sandwich").find("attack loss \"sandwich\" is not known; known are main"),
            std::string::npos);
  EXPECT_NE(message("own=0").find("found \"own=0\", expected FORM=WEIGHT with a weight above 0"),
            std::string::npos);
  EXPECT_NE(message("own=a").find("\"own=a\""), std::string::npos);
  EXPECT_NE(message("").find("--defence: found nothing"), std::string::npos);
  TrainOptions weights = optionsFor("own");
  weights.exitWeights = {1, 2, 3};
  EXPECT_EQ(messageOf([&] { Defence(weights, module, torch::kCPU); }),
            "--exit-weights: found 3 values, expected 2, one for each exit of the model");
}

TEST(WeightPerturbation, MovesEachTensorByItsShareAndComesBackBitForBit) {
  const Tensor matrix = torch::tensor({3.F, 0.F, 0.F, 4.F}).view({2, 2}).requires_grad_(true);
  const Tensor bias = torch::tensor({1.F, 2.F}).requires_grad_(true);
  WeightPerturbation perturbation({matrix, bias}, 0.1);
  const Tensor gradient = torch::tensor({0.F, 2.F, 0.F, 0.F}).view({2, 2});
  perturbation.climb({gradient, torch::ones({2})});
  // |w| = 5, |g| = 2: 0.1 * 5 along the gradient's direction; a bias has one dimension and stays.
  EXPECT_TRUE(torch::allclose(matrix, torch::tensor({3.F, 0.5F, 0.F, 4.F}).view({2, 2})));
  EXPECT_TRUE(torch::equal(bias, torch::tensor({1.F, 2.F})));
  perturbation.undo();
  EXPECT_TRUE(torch::equal(matrix, torch::tensor({3.F, 0.F, 0.F, 4.F}).view({2, 2})));
  perturbation.climb({Tensor(), Tensor()});
  EXPECT_TRUE(torch::equal(matrix, torch::tensor({3.F, 0.F, 0.F, 4.F}).view({2, 2})));
}

}  // namespace
}  // namespace rdi::train
