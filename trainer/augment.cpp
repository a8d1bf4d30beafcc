// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/augment.hpp"

namespace rdi::train {

using torch::Tensor;
using torch::indexing::Slice;

// One gather from the padded images: row and column of every pixel, an image at a time.
Tensor augment(const Tensor& images, const AugmentOptions& options, const RowGenerator& generator) {
  const int64_t count = images.size(0), height = images.size(2), width = images.size(3);
  const int64_t shift = options.shift;
  const auto whole = torch::TensorOptions(torch::kInt64).device(images.device());
  Tensor rows = torch::arange(height, whole).expand({count, height});
  Tensor columns = torch::arange(width, whole).expand({count, width});
  if (options.flip) {
    const Tensor flipped = generator.integers(torch::empty({count, 1}, whole), 2);
    columns = torch::where(flipped == 1, width - 1 - columns, columns);
  }
  if (options.crop > 0) {
    const auto cut = [&](const Tensor& line) {
      const int64_t spare = line.size(1) - options.crop;
      const Tensor first = generator.integers(torch::empty({count, 1}, whole), spare + 1);
      return line.gather(1, first + torch::arange(options.crop, whole));
    };
    rows = cut(rows);
    columns = cut(columns);
  }
  Tensor padded = images;
  if (shift > 0) {
    padded = torch::constant_pad_nd(images, {shift, shift, shift, shift});
    const Tensor moves = generator.integers(torch::empty({count, 2}, whole), 2 * shift + 1);
    rows = rows + moves.narrow(1, 0, 1);
    columns = columns + moves.narrow(1, 1, 1);
  }
  const Tensor picked = padded.index(
      {torch::arange(count, whole).view({-1, 1, 1}), Slice(), rows.unsqueeze(2), columns.unsqueeze(1)});
  return picked.permute({0, 3, 1, 2}).contiguous();
}

}  // namespace rdi::train
