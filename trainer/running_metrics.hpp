// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace rdi::train {

/// Sums since the last line of metrics, kept on the device: reading them is what waits for it.
struct RunningMetrics {
  torch::Tensor loss;     // sum over iterations
  torch::Tensor correct;  // exits x halves (clean, attacked; those that are used)
  int64_t iterations = 0;

  RunningMetrics(int64_t exits, int64_t halves, const torch::Device& device)
      : loss(torch::zeros({}, torch::TensorOptions(torch::kFloat32).device(device))),
        correct(torch::zeros({exits, halves}, torch::TensorOptions(torch::kInt64).device(device))) {}

  void clear() {
    loss.zero_();
    correct.zero_();
    iterations = 0;
  }
};

}  // namespace rdi::train
