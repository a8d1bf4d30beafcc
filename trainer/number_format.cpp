// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/number_format.hpp"

#include <cmath>
#include <cstdio>

namespace rdi::train {

std::string fixed(double value, int digits) {
  if (std::isnan(value)) return "-";
  char buffer[400];  // the largest double has 309 digits
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

std::string percent(double share, int digits) { return fixed(100 * share, digits); }

}  // namespace rdi::train
