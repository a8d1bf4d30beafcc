// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include "trainer/row_generator.hpp"

namespace rdi::train {

/// How training images are varied; each image anew every time it is drawn.
struct AugmentOptions {
  int shift = 0;  // moved by up to so many pixels each way, black moves in: a random crop of the padded image
  bool flip = false;  // left and right exchanged, for half of the images
  int crop = 0;  // a square of so many pixels is cut out at random, no larger than the image; 0: all of it

  bool any() const { return shift > 0 || flip || crop > 0; }
};

/// `images` (N x C x H x W) varied; same type, and shape but for what `crop` cuts off.
torch::Tensor augment(const torch::Tensor& images, const AugmentOptions& options,
                      const RowGenerator& generator);

}  // namespace rdi::train
