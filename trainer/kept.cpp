// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/kept.hpp"

#include <limits>

namespace rdi::train {

using torch::Tensor;

Kept::Kept(const Tensor& images)
    : images_(images.clone()),
      reached_(torch::full({images.size(0)}, -1, torch::dtype(torch::kInt64).device(images.device()))),
      losses_(torch::full({images.size(0)}, -std::numeric_limits<float>::infinity(), images.device())) {}

void Kept::offer(const Tensor& rows, const Tensor& iterates, const Tensor& reached, const Tensor& losses) {
  const Tensor before = reached_.index_select(0, rows);
  const Tensor now = reached.defined() ? reached : torch::zeros_like(before);
  const Tensor better = torch::logical_or(
      now > before, torch::logical_and(now == before, losses > losses_.index_select(0, rows)));
  const Tensor chosen = better.nonzero().squeeze(1);
  if (chosen.size(0) == 0) return;
  const Tensor target = rows.index_select(0, chosen);
  images_.index_copy_(0, target, iterates.index_select(0, chosen));
  reached_.index_copy_(0, target, now.index_select(0, chosen));
  losses_.index_copy_(0, target, losses.index_select(0, chosen));
}

}  // namespace rdi::train
