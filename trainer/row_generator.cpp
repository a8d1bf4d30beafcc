// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/row_generator.hpp"

#include <vector>

namespace rdi::train {

using torch::Tensor;

Tensor BatchPart::of(const Tensor& whole) const {
  return count == 1 ? whole : whole.narrow(0, index * rows, rows);
}

template <typename Fill>
Tensor RowGenerator::draw(const Tensor& like, const Fill& fill) const {
  if (part_.count == 1) {
    Tensor values = torch::empty_like(like);
    fill(values);
    return values;
  }
  // batches x parts x rows x the rest
  std::vector<int64_t> shape = {like.size(0) / part_.rows, part_.count, part_.rows};
  shape.insert(shape.end(), like.sizes().begin() + 1, like.sizes().end());
  Tensor values = torch::empty(shape, like.options());
  fill(values);
  return values.select(1, part_.index).reshape(like.sizes()).contiguous();
}

Tensor RowGenerator::uniform(const Tensor& like, double low, double high) const {
  return draw(like, [&](Tensor& values) { values.uniform_(low, high, generator_); });
}

Tensor RowGenerator::normal(const Tensor& like) const {
  return draw(like, [&](Tensor& values) { values.normal_(0, 1, generator_); });
}

Tensor RowGenerator::bernoulli(const Tensor& like, double probability) const {
  return draw(like, [&](Tensor& values) { values.bernoulli_(probability, generator_); });
}

Tensor RowGenerator::integers(const Tensor& like, int64_t end) const {
  return draw(like, [&](Tensor& values) { values.random_(0, end, generator_); });
}

}  // namespace rdi::train
