// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/optimizer.hpp"

#include <gtest/gtest.h>

namespace rdi::train {
namespace {

TEST(Sgd, StepsLikeLibtorchsOwn) {
  torch::manual_seed(1);
  const torch::Tensor ours = torch::rand({5}).requires_grad_(true);
  torch::Tensor theirs = ours.detach().clone().requires_grad_(true);
  Sgd sgd({ours}, 0.9, 0.01);
  torch::optim::SGD reference({theirs}, torch::optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.01));
  for (int i = 0; i < 5; ++i) {
    const torch::Tensor gradient = torch::rand({5});
    sgd.step({gradient}, 0.1);
    theirs.mutable_grad() = gradient;
    reference.step();
  }
  EXPECT_TRUE(torch::allclose(ours, theirs, 1e-6, 1e-7));
}

TEST(Sgd, AnUndefinedGradientCountsAsZeroAndASharedOneOnce) {
  const torch::Tensor a = torch::ones({1}), b = torch::ones({1}), c = torch::ones({1});
  Sgd sgd({a, b, c}, 0, 0.5);
  const torch::Tensor shared = torch::ones({1});
  sgd.step({shared, shared, torch::Tensor()}, 1);
  EXPECT_FLOAT_EQ(a.item<float>(), -0.5F);  // 1 - (1 + 0.5)
  EXPECT_FLOAT_EQ(b.item<float>(), -0.5F);
  EXPECT_FLOAT_EQ(c.item<float>(), 0.5F);
  EXPECT_FLOAT_EQ(shared.item<float>(), 1);
}

TEST(MovingAverage, FollowsFastAtFirstAndSwapsBackBitForBit) {
  const torch::Tensor weight = torch::zeros({1});
  MovingAverage average({weight}, 0.5);
  weight.fill_(1);
  average.update(0);  // decay min(0.5, 1/10)
  EXPECT_FLOAT_EQ(average.averages()[0].item<float>(), 0.9F);
  weight.fill_(2);
  average.update(1000);  // decay 0.5
  EXPECT_FLOAT_EQ(average.averages()[0].item<float>(), 1.45F);
  average.swap();
  EXPECT_FLOAT_EQ(weight.item<float>(), 1.45F);
  average.swap();
  EXPECT_EQ(weight.item<float>(), 2);
  EXPECT_FLOAT_EQ(average.averages()[0].item<float>(), 1.45F);
}

}  // namespace
}  // namespace rdi::train
