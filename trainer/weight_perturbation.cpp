// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/weight_perturbation.hpp"

namespace rdi::train {
namespace {

constexpr double kTiny = 1e-20;  // no division by zero where the gradient vanishes

}  // namespace

WeightPerturbation::WeightPerturbation(const std::vector<torch::Tensor>& parameters, double gamma)
    : gamma_(gamma) {
  for (const torch::Tensor& parameter : parameters) {
    parameters_.push_back(parameter.detach());
    kept_.push_back(torch::empty_like(parameters_.back()));
  }
}

void WeightPerturbation::climb(const std::vector<torch::Tensor>& gradients) {
  torch::NoGradGuard noGradient;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    torch::Tensor& weight = parameters_[i];
    kept_[i].copy_(weight);
    if (weight.dim() < 2 || !gradients[i].defined()) continue;
    weight.add_(gradients[i] * (gamma_ * weight.norm() / (gradients[i].norm() + kTiny)));
  }
}

void WeightPerturbation::undo() {
  torch::NoGradGuard noGradient;
  for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].copy_(kept_[i]);
}

}  // namespace rdi::train
