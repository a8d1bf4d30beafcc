// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include "trainer/attack_options.hpp"
#include "trainer/exit_loss.hpp"
#include "trainer/graph_module.hpp"

namespace rdi::train {

/// Images (N x C x H x W in [0,1]) moved to a higher loss: the one gradient loop of all attacks. The result
/// lies in [0,1] and, with options.project, in the ball; parameters and their gradients are untouched.
torch::Tensor perturb(GraphModule& module, const torch::Tensor& images, const torch::Tensor& labels,
                      const AttackOptions& options, const ExitLoss& loss, torch::Generator& generator);

/// The attack of this form: one loop for single, average and own, one an exit for max-average.
torch::Tensor attack(GraphModule& module, const torch::Tensor& images, const torch::Tensor& labels,
                     const AttackOptions& options, const AttackForm& form, torch::Generator& generator);

}  // namespace rdi::train
