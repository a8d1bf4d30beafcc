// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include "trainer/ball.hpp"

namespace rdi::train {

/// How a gradient moves N images: one step of the attack's loop. Losses are those at the images, N; gradients
/// have the images' shape.
class Steps {
public:
  Steps(const AttackOptions& options, double exitCount) : options_(options), exitCount_(exitCount) {}

  /// The next images; `t` counts steps from 0. The ball is that of the same images.
  torch::Tensor next(const torch::Tensor& moved, const torch::Tensor& gradient, const torch::Tensor& loss,
                     const Ball& ball, int t);

  /// Goes on with the images at these positions (int64) alone.
  void pick(const torch::Tensor& rows);

private:
  torch::Tensor apgd(torch::Tensor moved, torch::Tensor gradient, const torch::Tensor& loss, const Ball& ball,
                     int t);

  AttackOptions options_;
  double exitCount_;

  // APGD: Croce and Hein 2020, algorithm 1.
  torch::Tensor step_;                             // N x 1 x 1 x 1
  torch::Tensor before_, lossBefore_, rises_;      // the last images, their losses, rises since the check
  torch::Tensor best_, bestGradient_, bestLoss_;   // so far
  torch::Tensor bestLossAtCheck_, halvedAtCheck_;  // at the last check
  int sinceCheck_ = 0, period_ = 0;
};

}  // namespace rdi::train
