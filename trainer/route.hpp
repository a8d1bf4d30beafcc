// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <vector>

#include "graph/exit_rule.hpp"

namespace rdi::train {

/// What an exit rule makes of scores, on tensors and with gradients: the same rule as graph/exit_rule.hpp.
class Route {
public:
  /// `scores`: logits of every exit, N x C each; the rule fits their number.
  Route(const std::vector<torch::Tensor>& scores, const graph::ExitRule& rule);

  /// What each exit answers with after fusion: exits x N x C logits.
  const torch::Tensor& answers() const { return answers_; }

  /// How unsure the exits but the main one are: exits - 1 x N.
  const torch::Tensor& uncertainty() const { return uncertainty_; }

  /// Thresholds of the exits but the main one: exits - 1.
  const torch::Tensor& thresholds() const { return thresholds_; }

  /// The exit each image takes: N, int64, 0-based. Without gradient.
  torch::Tensor taken() const;

  /// Probabilities (exits x N, sum 1) of leaving when an exit is left with probability
  /// sigmoid((threshold - uncertainty) / temperature): a view of the rule that has gradients everywhere.
  /// Where the exits do not agree long enough an exit is not left, at an infinite threshold for certain or
  /// never.
  torch::Tensor probabilities(double temperature) const;

private:
  torch::Tensor answers_, uncertainty_, thresholds_;
  torch::Tensor mayLeave_;  // exits - 1 x N, bool: patience allows it
};

/// What each exit answers with after fusion: exits x N x C logits (mean: log of the mean probabilities).
torch::Tensor fusedAnswers(const std::vector<torch::Tensor>& scores, graph::Fusion fusion);

}  // namespace rdi::train
