// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include "trainer/attack_options.hpp"
#include "trainer/exit_loss.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/kept.hpp"

namespace rdi::train {

/// Square (Andriushchenko et al. 2020), l-infinity: from vertical stripes at the ball's faces, random squares
/// of +-2 epsilon that shrink as queries go on, each kept when it raises the goal's loss. options.steps
/// queries an image; needs scores only, no gradient. Offers what it finds to `kept`, and leaves images alone
/// that are done.
void square(GraphModule& module, const torch::Tensor& images, const Aim& aim, const AttackOptions& options,
            const Goal& goal, torch::Generator& generator, Kept& kept);

}  // namespace rdi::train
