// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

namespace rdi::train {

/// The best iterate of each of N images so far: one that got further before one with a larger loss.
class Kept {
public:
  /// Nothing yet; `images` are what images keep that nothing better is offered for.
  explicit Kept(const torch::Tensor& images);

  /// Offers iterates of the images at `rows` (int64), with how far they got (int64; may be undefined) and
  /// their losses.
  void offer(const torch::Tensor& rows, const torch::Tensor& iterates, const torch::Tensor& reached,
             const torch::Tensor& losses);

  const torch::Tensor& images() const { return images_; }
  /// How far each image got: N, int64; -1 before the first offer.
  const torch::Tensor& reached() const { return reached_; }

private:
  torch::Tensor images_, reached_, losses_;
};

}  // namespace rdi::train
