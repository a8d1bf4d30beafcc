// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstddef>

namespace rdi::engine {

/// dst {pixels, channels} = src {channels, pixels}, and back; the two must not overlap.
void toChannelsLast(const float* src, size_t channels, size_t pixels, float* dst);
void toChannelsFirst(const float* src, size_t channels, size_t pixels, float* dst);

}  // namespace rdi::engine
