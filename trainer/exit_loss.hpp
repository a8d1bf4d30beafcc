// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <functional>
#include <vector>

#include "trainer/graph_module.hpp"

namespace rdi::train {

/// What an attack climbs: a loss for each image from the scores of the exits. All that makes an attack
/// multi-exit.
struct ExitLoss {
  /// Losses (N) from scores (each N x classes; only those in `exits` are defined) and labels (N).
  std::function<torch::Tensor(const std::vector<torch::Tensor>& scores, const torch::Tensor& labels)>
      perImage;
  ExitSet exits = kAllExits;  // those it reads
};

/// Cross-entropy of exit k (0-based).
ExitLoss singleExit(size_t k);

/// Mean of the cross-entropies of all exits.
ExitLoss averageOfExits();

/// Sum of the cross-entropies of all exits: what the max-average attack selects by.
ExitLoss sumOfExits();

/// Cross-entropy of the exit drawn for each image: `drawn` (N, int64) holds 0-based exits.
ExitLoss ownExit(const torch::Tensor& drawn);

}  // namespace rdi::train
