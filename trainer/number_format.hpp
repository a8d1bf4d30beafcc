// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

namespace rdi::train {

/// With so many digits after the point: 1.25, 1 -> "1.2"; "-" for NaN.
std::string fixed(double value, int digits);

/// 0.98765 -> "98.77"; "-" for NaN.
std::string percent(double share, int digits = 2);

}  // namespace rdi::train
