// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <functional>
#include <vector>

#include "graph/precision.hpp"

namespace rdi::graph {

/// Magnitudes of a tensor's values, counted in 2,048 steps of a limit that doubles when a value exceeds it.
class Magnitudes {
public:
  void add(float value);

  /// The values' range; where cutting off the largest magnitudes makes the squared error of storing the
  /// values in 8 bits smaller, the range that makes it smallest. {0, 0} when nothing but zeros was added; NaN
  /// and infinities are left out.
  Range range() const;

private:
  static constexpr size_t kSteps = 2048;

  std::vector<double> counts_ = std::vector<double>(kSteps, 0);
  double limit_ = 0;  // 0: only zeros so far
  float low_ = 0, high_ = 0;
};

/// Told how many pictures are done.
using RangeProgress = std::function<void(size_t done)>;

/// The range of the picture and of every tensor that follows from it, over these pictures {C, H, W} as the
/// model wants them. Names are those of the simplified model. Throws rdi::Error as runInFloat does, and when
/// there are no pictures.
RangeMap measureRanges(const onnx::ModelProto& multiExit, const std::vector<std::vector<float>>& pictures,
                       const RangeProgress& progress = {});

}  // namespace rdi::graph
