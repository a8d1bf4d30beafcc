// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <vector>

namespace rdi::train {

/// A PNG file of channels x height x width bytes; one channel is grey, three are RGB. Throws rdi::Error for
/// any other number of channels and when the number of bytes does not fit.
std::vector<uint8_t> toPng(const std::vector<uint8_t>& planes, int64_t channels, int64_t height,
                           int64_t width);

}  // namespace rdi::train
