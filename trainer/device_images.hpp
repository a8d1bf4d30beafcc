// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include "trainer/data.hpp"

namespace rdi::train {

/// A batch ready for a model.
struct Batch {
  torch::Tensor images;  // N x C x H x W, float32, 0..1
  torch::Tensor labels;  // N, int64
};

/// A whole image set on the device that computes, kept as bytes there.
class DeviceImages {
public:
  DeviceImages(const ImageSet& images, const torch::Device& device);

  int64_t count() const { return labels_.size(0); }

  /// Images first .. first + number - 1.
  Batch range(int64_t first, int64_t number) const;

  /// Images with these indices (int64, on the device).
  Batch pick(const torch::Tensor& indices) const;

private:
  torch::Tensor pixels_, labels_;
};

}  // namespace rdi::train
