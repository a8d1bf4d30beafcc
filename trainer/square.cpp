// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/square.hpp"

#include <algorithm>
#include <cmath>

#include "trainer/ball.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

constexpr double kFirstShare = 0.8;  // of the pixels in the first square

// The share of pixels to change, halved at these of 10,000 queries.
double shareAt(int query, int queries) {
  constexpr int kHalvedAt[] = {10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000};
  const double now = 10000.0 * query / queries;
  double share = kFirstShare;
  for (const int at : kHalvedAt)
    if (now > at) share /= 2;
  return share;
}

// Random signs of this shape.
Tensor signs(at::IntArrayRef shape, const Tensor& like, torch::Generator& generator) {
  return torch::empty(shape, like.options()).random_(0, 2, generator).mul_(2).sub_(1);
}

}  // namespace

void square(GraphModule& module, const Tensor& images, const Aim& all, const AttackOptions& options,
            const Goal& goal, torch::Generator& generator, Kept& kept) {
  torch::NoGradGuard noGradient;
  const int64_t channels = images.size(1), height = images.size(2), width = images.size(3);
  Tensor rows = torch::arange(images.size(0), all.labels.options());
  Ball ball(images, options);
  Aim aim = all;
  Tensor moved, loss;

  const auto goOn = [&] {
    const Tensor left = (kept.reached().index_select(0, rows) < goal.most).nonzero().squeeze(1);
    if (left.size(0) == rows.size(0)) return;
    rows = rows.index_select(0, left);
    aim = aim.pick(left);
    ball = ball.pick(left);
    if (moved.defined()) moved = moved.index_select(0, left);
    if (loss.defined()) loss = loss.index_select(0, left);
  };
  // What raises the loss, or gets further, stays.
  const auto judge = [&](const Tensor& tried) {
    const auto scores = module.forward(tried, ForwardMode::evaluation());
    const Tensor found = goal.loss(scores, aim);
    kept.offer(rows, tried, goal.reached(scores, aim), found);
    if (!loss.defined()) {
      moved = tried;
      loss = found;
    } else {
      const Tensor better = found > loss;
      moved = torch::where(better.view({-1, 1, 1, 1}), tried, moved);
      loss = torch::where(better, found, loss);
    }
    goOn();
  };

  goOn();
  for (int query = 0; query < options.steps && rows.size(0) > 0; ++query) {
    const int64_t count = rows.size(0);
    if (query == 0) {
      Tensor stripes =
          ball.centres() + signs({count, channels, 1, width}, images, generator) * options.epsilon;
      ball.project(stripes);
      judge(stripes);
      continue;
    }
    const double pixels = shareAt(query, options.steps) * static_cast<double>(height * width);
    const int64_t side = std::clamp<int64_t>(std::llround(std::sqrt(pixels)), 1, std::min(height, width) - 1);
    const auto place = [&](int64_t size) {
      return torch::empty({count, 1, 1, 1}, all.labels.options()).random_(0, size - side + 1, generator);
    };
    const Tensor top = place(height), left = place(width);
    const Tensor y = torch::arange(height, all.labels.options()).view({1, 1, -1, 1});
    const Tensor x = torch::arange(width, all.labels.options()).view({1, 1, 1, -1});
    const Tensor inside = (y >= top) * (y < top + side) * (x >= left) * (x < left + side);
    Tensor tried = moved + inside * signs({count, channels, 1, 1}, images, generator) * (2 * options.epsilon);
    ball.project(tried);
    judge(tried);
  }
}

}  // namespace rdi::train
