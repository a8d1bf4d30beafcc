// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "trainer/checkpoint.hpp"

namespace rdi::train {

/// Draws batches of images without replacement; a new order when what is left does not fill a batch.
class BatchOrder {
public:
  BatchOrder(int64_t imageCount, int64_t batchSize, const torch::Device& device, uint64_t seed);

  /// Indices of the next batch's images, int64, on the device.
  torch::Tensor next();

  void save(Checkpoint& checkpoint) const;
  /// Throws rdi::Error when the checkpoint is of another number of images.
  void restore(const Checkpoint& checkpoint);

private:
  int64_t imageCount_, batchSize_, position_ = 0;
  torch::Device device_;
  torch::Generator generator_;
  torch::Tensor order_;
};

}  // namespace rdi::train
