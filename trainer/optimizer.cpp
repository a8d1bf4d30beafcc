// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/optimizer.hpp"

#include <algorithm>
#include <utility>

namespace rdi::train {
namespace {

std::vector<torch::Tensor> dataOf(const std::vector<torch::Tensor>& tensors) {
  std::vector<torch::Tensor> result;
  result.reserve(tensors.size());
  for (const torch::Tensor& tensor : tensors) result.push_back(tensor.detach());
  return result;
}

}  // namespace

Sgd::Sgd(std::vector<torch::Tensor> parameters, double momentum, double weightDecay)
    : parameters_(dataOf(parameters)), momentum_(momentum), weightDecay_(weightDecay) {
  for (const torch::Tensor& parameter : parameters_) velocities_.push_back(torch::zeros_like(parameter));
}

void Sgd::step(const std::vector<torch::Tensor>& gradients, double learningRate) {
  torch::NoGradGuard noGradient;
  std::vector<torch::Tensor> total = gradients;
  for (size_t i = 0; i < total.size(); ++i)
    if (!total[i].defined()) total[i] = torch::zeros_like(parameters_[i]);
  // Not in place: two parameters may share one gradient tensor.
  if (weightDecay_ != 0) total = torch::_foreach_add(total, parameters_, weightDecay_);
  torch::_foreach_mul_(velocities_, momentum_);
  torch::_foreach_add_(velocities_, total);
  torch::_foreach_add_(parameters_, velocities_, -learningRate);
}

MovingAverage::MovingAverage(std::vector<torch::Tensor> weights, double decay)
    : weights_(dataOf(weights)), decay_(decay) {
  for (const torch::Tensor& weight : weights_) averages_.push_back(weight.clone());
}

void MovingAverage::update(int64_t iteration) {
  torch::NoGradGuard noGradient;
  const auto t = static_cast<double>(iteration);
  const double decay = std::min(decay_, (1 + t) / (10 + t));
  torch::_foreach_mul_(averages_, decay);
  torch::_foreach_add_(averages_, weights_, 1 - decay);
}

void MovingAverage::swap() {
  torch::NoGradGuard noGradient;
  for (size_t i = 0; i < weights_.size(); ++i) {
    const torch::Tensor kept = weights_[i].clone();
    weights_[i].copy_(averages_[i]);
    averages_[i].copy_(kept);
  }
}

}  // namespace rdi::train
