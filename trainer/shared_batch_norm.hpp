// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include "trainer/worker_group.hpp"

namespace rdi::train {

/// BatchNormalization of N x C x ... with the statistics of the whole batch, of which every process of
/// `group` holds an equal part; with gradients. Running statistics move where they are defined, `momentum`
/// being the weight of the batch.
torch::Tensor sharedBatchNorm(const torch::Tensor& src, const torch::Tensor& scale, const torch::Tensor& bias,
                              const torch::Tensor& runningMean, const torch::Tensor& runningVariance,
                              double momentum, double epsilon, WorkerGroup& group);

}  // namespace rdi::train
