// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <vector>

namespace rdi::train {

/// Adversarial weight perturbation (Wu et al., NeurIPS 2020): a step is computed where the weights hurt most
/// within gamma of their size, and taken where they are. Only tensors of two dimensions or more are moved.
class WeightPerturbation {
public:
  WeightPerturbation(const std::vector<torch::Tensor>& parameters, double gamma);

  /// w = w + gamma |w| / |g| g, for each tensor with its gradient; an undefined one moves nothing.
  void climb(const std::vector<torch::Tensor>& gradients);

  /// Back to where they were, bit for bit.
  void undo();

private:
  std::vector<torch::Tensor> parameters_, kept_;
  double gamma_;
};

}  // namespace rdi::train
