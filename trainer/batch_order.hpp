// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "trainer/checkpoint.hpp"
#include "trainer/row_generator.hpp"

namespace rdi::train {

/// Draws batches of images without replacement; a new order when what is left does not fill a batch.
class BatchOrder {
public:
  /// `part`: this process's of each batch; the others draw the same order.
  BatchOrder(int64_t imageCount, int64_t batchSize, const torch::Device& device, uint64_t seed,
             const BatchPart& part = {});

  /// Indices of this process's images of the next batch, int64, on the device.
  torch::Tensor next();

  void save(Checkpoint& checkpoint) const;
  /// Throws rdi::Error when the checkpoint is of another number of images.
  void restore(const Checkpoint& checkpoint);

private:
  int64_t imageCount_, batchSize_, position_ = 0;
  torch::Device device_;
  torch::Generator generator_;
  torch::Tensor order_;
  BatchPart part_;
};

}  // namespace rdi::train
