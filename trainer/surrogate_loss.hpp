// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include "trainer/attack_options.hpp"

namespace rdi::train {

/// What an attack knows about each of N images.
struct Aim {
  torch::Tensor labels{};     // N, int64: the right class
  torch::Tensor other{};      // N, int64: the wrong class a targeted surrogate aims at; may be undefined
  torch::Tensor exit{};       // N, int64: the exit drawn for it (AttackForm own), 0-based; may be undefined
  torch::Tensor reference{};  // exits x N x C: ln p of the answers that divergence leads away from; may be
                              // undefined

  /// Of the images at these positions (int64).
  Aim pick(const torch::Tensor& rows) const;
};

/// Losses (N) to climb at answers (N x C logits) of one exit, one for each image. A `reference` in the
/// aim is that of this exit: N x C. The result is above 0 exactly where an
/// untargeted margin or DLR has made the answer wrong. Throws rdi::Error for fewer classes than the surrogate
/// looks at (DLR 3, targeted DLR 4).
torch::Tensor surrogateLoss(const torch::Tensor& answers, const Aim& aim, Surrogate surrogate);

/// The likeliest wrong class of each answer (N x C), or the second likeliest (rank 1), and so on.
torch::Tensor wrongClass(const torch::Tensor& answers, const torch::Tensor& labels, int64_t rank);

}  // namespace rdi::train
