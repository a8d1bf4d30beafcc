// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include "trainer/attack_options.hpp"
#include "trainer/row_generator.hpp"

namespace rdi::train {

/// Where an attack may go: the pixel range [0,1] and, when options.project, the ball of epsilon around each
/// of N images.
class Ball {
public:
  Ball(const torch::Tensor& images, const AttackOptions& options);

  /// A random point of startScale times the ball, in [0,1]; N-FGSM's start may lie outside the ball.
  torch::Tensor start(const RowGenerator& generator) const;

  /// The nearest point of the ball and of [0,1], in place.
  void project(torch::Tensor& moved) const;

  /// A gradient as a step of length 1 in the norm: its sign, or its direction.
  torch::Tensor direction(const torch::Tensor& gradient) const;

  /// The balls of the images at these positions (int64).
  Ball pick(const torch::Tensor& rows) const;

  const torch::Tensor& centres() const { return images_; }

private:
  Ball() = default;
  torch::Tensor images_, low_, high_;
  AttackOptions options_;
};

}  // namespace rdi::train
