// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/zoo/random.hpp"

#include <cmath>

namespace rdi::zoo {

double Random::uniform(double low, double high) {
  const double unit =
      static_cast<double>(engine_() >> 11) * 0x1p-53;  // 53 bits: every double in steps of 2^-53
  return low + (high - low) * unit;
}

double Random::normal(double standardDeviation) {
  if (hasSpare_) {
    hasSpare_ = false;
    return spare_ * standardDeviation;
  }
  constexpr double kTwoPi = 6.283185307179586;
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform(0, 1)));  // 1 - [0, 1) is never zero
  const double angle = uniform(0, kTwoPi);
  spare_ = radius * std::sin(angle);
  hasSpare_ = true;
  return radius * std::cos(angle) * standardDeviation;
}

}  // namespace rdi::zoo
