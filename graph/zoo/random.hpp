// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <random>

namespace rdi::zoo {

/// Random numbers that are the same on every platform: the standard fixes std::mt19937_64 but leaves its
/// distributions to each library, so they are written out here.
class Random {
public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  /// Uniform in [low, high).
  double uniform(double low, double high);

  /// Normal with mean 0 (Box-Muller, both values used).
  double normal(double standardDeviation);

private:
  std::mt19937_64 engine_;
  double spare_ = 0;
  bool hasSpare_ = false;
};

}  // namespace rdi::zoo
