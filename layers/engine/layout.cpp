// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/layout.hpp"

#include <algorithm>

namespace rdi::engine {
namespace {

/// dst {columns, rows} = src {rows, columns}, in tiles that stay in the first cache.
void transpose(const float* src, size_t rows, size_t columns, float* dst) {
  constexpr size_t kTile = 16;
  for (size_t row = 0; row < rows; row += kTile)
    for (size_t column = 0; column < columns; column += kTile)
      for (size_t c = column; c < std::min(columns, column + kTile); ++c)
        for (size_t r = row; r < std::min(rows, row + kTile); ++r) dst[c * rows + r] = src[r * columns + c];
}

}  // namespace

void toChannelsLast(const float* src, size_t channels, size_t pixels, float* dst) {
  transpose(src, channels, pixels, dst);
}

void toChannelsFirst(const float* src, size_t channels, size_t pixels, float* dst) {
  transpose(src, pixels, channels, dst);
}

}  // namespace rdi::engine
