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

void copyExcerpt(const float* src, const Extents& srcSize, const Extents& begin, const Extents& step,
                 float fill, const Extents& dstSize, float* dst) {
  const auto [height, width, channels] = dstSize;
  // Destination channels whose source lies inside: first .. last.
  const int64_t first = std::clamp<int64_t>((-begin[2] + step[2] - 1) / step[2], 0, channels);
  const int64_t last = std::clamp<int64_t>((srcSize[2] - begin[2] + step[2] - 1) / step[2], first, channels);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x, dst += channels) {
      const int64_t row = begin[0] + y * step[0], column = begin[1] + x * step[1];
      const bool inside = row >= 0 && row < srcSize[0] && column >= 0 && column < srcSize[1];
      const int64_t from = inside ? first : channels, to = inside ? last : channels;
      std::fill(dst, dst + from, fill);
      const float* pixel = src + (row * srcSize[1] + column) * srcSize[2] + begin[2];
      for (int64_t c = from; c < to; ++c) dst[c] = pixel[c * step[2]];
      std::fill(dst + to, dst + channels, fill);
    }
}

}  // namespace rdi::engine
