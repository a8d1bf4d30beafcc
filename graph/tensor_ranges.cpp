// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/tensor_ranges.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "graph/error.hpp"
#include "graph/exit_chain.hpp"
#include "graph/float_run.hpp"
#include "graph/model_io.hpp"

namespace rdi::graph {

void Magnitudes::add(float value) {
  if (!std::isfinite(value) || value == 0) return;
  low_ = std::min(low_, value);
  high_ = std::max(high_, value);
  const double magnitude = std::abs(static_cast<double>(value));
  if (limit_ == 0) limit_ = magnitude;
  while (magnitude > limit_) {
    for (size_t i = 0; i < kSteps / 2; ++i) counts_[i] = counts_[2 * i] + counts_[2 * i + 1];
    std::fill(counts_.begin() + kSteps / 2, counts_.end(), 0.0);
    limit_ *= 2;
  }
  const auto step = static_cast<size_t>(magnitude / limit_ * kSteps);
  ++counts_[std::min(step, kSteps - 1)];
}

Range Magnitudes::range() const {
  if (limit_ == 0) return {0, 0};
  const double levels = low_ < 0 ? 127 : 255;
  const double width = limit_ / kSteps;
  double best = std::numeric_limits<double>::infinity();
  size_t bestEnd = kSteps;
  for (size_t end = kSteps; end > kSteps / 16; --end) {
    // Rounding errs evenly within a level; what lies outside errs by its distance.
    const double edge = static_cast<double>(end) * width, level = edge / levels;
    double error = 0;
    for (size_t i = 0; i < kSteps; ++i) {
      const double distance = (static_cast<double>(i) + 0.5) * width - edge;
      error += counts_[i] * (distance <= 0 ? level * level / 12 : distance * distance);
    }
    if (error < best) {
      best = error;
      bestEnd = end;
    }
  }
  const auto edge = static_cast<float>(static_cast<double>(bestEnd) * width);
  return {std::max(low_, -edge), std::min(high_, edge)};
}

RangeMap measureRanges(const onnx::ModelProto& multiExit, const std::vector<std::vector<float>>& pictures,
                       const RangeProgress& progress) {
  if (pictures.empty()) throw Error("there are no pictures to measure the ranges of tensors with");
  const onnx::ModelProto model = keepExits(multiExit, exitNames(multiExit));
  const std::string input = inputName(model);
  std::map<std::string, Magnitudes> seen;
  size_t begun = 0;
  runInFloat(model, pictures, [&](const std::string& tensor, const std::vector<float>& values) {
    if (tensor == input && progress) progress(begun++);
    Magnitudes& magnitudes = seen[tensor];
    for (const float value : values) magnitudes.add(value);
  });
  if (progress) progress(begun);
  RangeMap ranges;
  for (const auto& [tensor, magnitudes] : seen) ranges[tensor] = magnitudes.range();
  return ranges;
}

}  // namespace rdi::graph
