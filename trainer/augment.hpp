// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

namespace rdi::train {

/// How training images are varied; each image anew every time it is drawn.
struct AugmentOptions {
  int shift = 0;  // moved by up to so many pixels each way, black moves in: a random crop of the padded image
  bool flip = false;  // left and right exchanged, for half of the images

  bool any() const { return shift > 0 || flip; }
};

/// `images` (N x C x H x W) varied; same type and shape.
torch::Tensor augment(const torch::Tensor& images, const AugmentOptions& options,
                      torch::Generator& generator);

}  // namespace rdi::train
