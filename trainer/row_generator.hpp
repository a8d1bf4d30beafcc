// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace rdi::train {

/// Which part of a batch this process holds, when several share one: the `index`-th of `count` parts of
/// `rows` rows each.
struct BatchPart {
  int64_t index = 0, count = 1;
  int64_t rows = 0;  // 0: all there are

  /// This process's rows of a tensor that holds the whole batch.
  torch::Tensor of(const torch::Tensor& whole) const;
};

/// Random numbers for the rows of a batch. They are drawn for the whole batch wherever its parts are, so
/// those of an image do not depend on how many processes share it. A tensor of several times `rows` rows
/// holds that many batches one after the other.
class RowGenerator {
public:
  RowGenerator(const torch::Generator& generator, const BatchPart& part = {})  // NOLINT: a whole batch
      : generator_(generator), part_(part) {}

  /// Of the shape and kind of `like`, whose first dimension counts rows; uniform in [low, high), normal with
  /// mean 0 and deviation 1, 1 with this probability or else 0, integers from 0 below `end`.
  torch::Tensor uniform(const torch::Tensor& like, double low, double high) const;
  torch::Tensor normal(const torch::Tensor& like) const;
  torch::Tensor bernoulli(const torch::Tensor& like, double probability) const;
  torch::Tensor integers(const torch::Tensor& like, int64_t end) const;

  /// For draws that are not row by row; they are the same in every process.
  torch::Generator& generator() const { return generator_; }

private:
  template <typename Fill>
  torch::Tensor draw(const torch::Tensor& like, const Fill& fill) const;

  mutable torch::Generator generator_;  // a handle: copies share one state
  BatchPart part_;
};

}  // namespace rdi::train
