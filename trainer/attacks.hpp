// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <vector>

#include "graph/exit_rule.hpp"
#include "trainer/attack_options.hpp"
#include "trainer/exit_loss.hpp"
#include "trainer/graph_module.hpp"

namespace rdi::train {

/// Images (N x C x H x W in [0,1]) moved towards the goal: the one gradient loop of all attacks, or Square's
/// queries. The result lies in [0,1] and, with options.project, in the ball; parameters and their gradients
/// are untouched.
torch::Tensor perturb(GraphModule& module, const torch::Tensor& images, const Aim& aim,
                      const AttackOptions& options, const Goal& goal, torch::Generator& generator);

/// The attack of this form, by somebody who knows everything about the net and its rule. `singles`, one
/// result an exit of the single attacks with these options, saves max-average computing its own.
torch::Tensor attackUnderRule(GraphModule& module, const torch::Tensor& images, const torch::Tensor& labels,
                              const AttackOptions& options, const AttackForm& form,
                              const graph::ExitRule& rule, torch::Generator& generator,
                              const std::vector<torch::Tensor>& singles = {});

}  // namespace rdi::train
