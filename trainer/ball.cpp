// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/ball.hpp"

#include <cmath>

namespace rdi::train {
namespace {

using torch::Tensor;

// Length of each image, N x 1 x 1 x 1.
Tensor lengthOf(const Tensor& images) { return images.flatten(1).norm(2, 1).view({-1, 1, 1, 1}); }

}  // namespace

Ball::Ball(const Tensor& images, const AttackOptions& options) : images_(images), options_(options) {
  if (!options.project || options.norm != Norm::linf) return;
  // Ball and pixel range in one: the image lies in both.
  low_ = torch::clamp_min(images - options.epsilon, 0);
  high_ = torch::clamp_max(images + options.epsilon, 1);
}

Tensor Ball::start(const RowGenerator& generator) const {
  const double radius = options_.epsilon * options_.startScale;
  Tensor moved;
  if (options_.norm == Norm::linf) {
    moved = generator.uniform(images_, -radius, radius).add_(images_);
  } else {
    // Uniform in the ball: a random direction, and a length that is often near the radius.
    const Tensor random = generator.normal(images_);
    const auto dimensions = static_cast<double>(images_[0].numel());
    const Tensor share = generator.uniform(torch::empty({images_.size(0), 1, 1, 1}, images_.options()), 0, 1)
                             .pow_(1 / dimensions);
    moved = images_ + random / lengthOf(random).clamp_min_(1e-12) * share * radius;
  }
  return moved.clamp_(0, 1);
}

void Ball::project(Tensor& moved) const {
  if (low_.defined()) {
    at::clamp_(moved, low_, high_);
    return;
  }
  if (options_.project) {
    const Tensor way = moved - images_;
    moved.copy_(images_ + way * torch::clamp_max(options_.epsilon / lengthOf(way).clamp_min_(1e-12), 1));
  }
  moved.clamp_(0, 1);
}

Tensor Ball::direction(const Tensor& gradient) const {
  if (options_.norm == Norm::linf) return gradient.sign();
  return gradient / lengthOf(gradient).clamp_min_(1e-12);
}

Ball Ball::pick(const Tensor& rows) const {
  Ball part;
  part.options_ = options_;
  part.images_ = images_.index_select(0, rows);
  if (low_.defined()) {
    part.low_ = low_.index_select(0, rows);
    part.high_ = high_.index_select(0, rows);
  }
  return part;
}

}  // namespace rdi::train
