// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rdi::engine {

/// Extents or positions along height, width and channels, in the order in which memory holds them.
using Extents = std::array<int64_t, 3>;

/// dst {pixels, channels} = src {channels, pixels}, and back; the two must not overlap.
void toChannelsLast(const float* src, size_t channels, size_t pixels, float* dst);
void toChannelsFirst(const float* src, size_t channels, size_t pixels, float* dst);

/// dst(i) = src(begin + i * step) along each axis, `fill` where that lies outside src; the two must not
/// overlap.
void copyExcerpt(const float* src, const Extents& srcSize, const Extents& begin, const Extents& step,
                 float fill, const Extents& dstSize, float* dst);

}  // namespace rdi::engine
