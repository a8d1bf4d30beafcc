// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/layout.hpp"

#include <gtest/gtest.h>

#include "tests/layers/model_builder.hpp"

namespace rdi {
namespace {

TEST(Layout, TwoChannelsOfThreePixels) {
  const std::vector<float> first{0, 1, 2, 10, 11, 12}, last{0, 10, 1, 11, 2, 12};
  std::vector<float> found(6);
  engine::toChannelsLast(first.data(), 2, 3, found.data());
  EXPECT_EQ(found, last);
  engine::toChannelsFirst(last.data(), 2, 3, found.data());
  EXPECT_EQ(found, first);
}

TEST(Layout, ThereAndBackIsTheSame) {
  for (const size_t channels : {1, 3, 16, 17, 40})
    for (const size_t pixels : {1, 9, 64, 65}) {
      const std::vector<float> values = test::randomValues(channels * pixels, 1);
      std::vector<float> there(values.size()), back(values.size());
      engine::toChannelsLast(values.data(), channels, pixels, there.data());
      engine::toChannelsFirst(there.data(), channels, pixels, back.data());
      EXPECT_EQ(back, values);
    }
}

}  // namespace
}  // namespace rdi
