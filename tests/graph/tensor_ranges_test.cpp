// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/tensor_ranges.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/error.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/graph/naive_run.hpp"

namespace rdi::graph {
namespace {

Range rangeOf(const std::vector<float>& values) {
  Magnitudes magnitudes;
  for (const float value : values) magnitudes.add(value);
  return magnitudes.range();
}

TEST(Magnitudes, EvenlySpreadValuesKeepTheirRange) {
  std::vector<float> values;
  for (int i = 0; i <= 1000; ++i) values.push_back(static_cast<float>(i) / 1000);
  EXPECT_EQ(rangeOf(values).low, 0);
  EXPECT_GT(rangeOf(values).high, 0.99f);
  EXPECT_LE(rangeOf(values).high, 1.0f);
  for (float& value : values) value = 1 - 2 * value;
  EXPECT_LT(rangeOf(values).low, -0.99f);
}

TEST(Magnitudes, OneFarOutlierAmongManyIsCutOff) {
  std::vector<float> values;
  for (int i = 0; i < 1000000; ++i) values.push_back(static_cast<float>(i % 1000) / 1000);
  values.push_back(8);
  const Range range = rangeOf(values);
  EXPECT_LT(range.high, 4);
  EXPECT_GE(range.high, 0.99f);
}

TEST(Magnitudes, AnOutlierAmongFewIsKept) { EXPECT_GT(rangeOf({0.1f, 0.2f, 0.3f, 8}).high, 7.9f); }

TEST(Magnitudes, TheOrderOfTheValuesHardlyMatters) {
  std::vector<float> values;
  for (int i = 1; i <= 100000; ++i) values.push_back(std::sqrt(static_cast<float>(i)));
  const Range rising = rangeOf(values);
  std::reverse(values.begin(), values.end());
  EXPECT_NEAR(rising.high, rangeOf(values).high, 0.01 * rising.high);
}

TEST(Magnitudes, ZerosNanAndInfinitiesCountForNothing) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(rangeOf({}).high, 0);
  EXPECT_EQ(rangeOf({0, 0}).high, 0);
  const Range range = rangeOf({0, NAN, infinity, -infinity, 2});
  EXPECT_EQ(range.low, 0);
  EXPECT_NEAR(range.high, 2, 0.002) << "within a step";
}

TEST(TensorRanges, EveryTensorOfTheSimplifiedModelHasOne) {
  onnx::ModelProto model = zoo::build("rdi-smallcnn");
  test::randomizeWeights(model, 3);
  const test::Tensor picture = test::randomInput({1, 1, 28, 28}, 5);
  size_t told = 0;
  const RangeMap ranges = measureRanges(model, {{picture.values.begin(), picture.values.end()}},
                                        [&](size_t done) { told = done; });
  EXPECT_EQ(told, 1u);
  const auto tensors = test::runNaively(model, picture);
  for (const auto& [name, range] : ranges) {
    const auto found = tensors.find(name);
    ASSERT_NE(found, tensors.end()) << name;
    for (const double value : found->second.values) {
      EXPECT_GE(value, range.low - 0.05 * (range.high - range.low)) << name;
      EXPECT_LE(value, range.high + 0.05 * (range.high - range.low)) << name;
    }
  }
  EXPECT_GT(ranges.size(), 8u);
  EXPECT_EQ(ranges.count("main"), 1u);
}

TEST(TensorRanges, NoPicturesAndPicturesOfAnotherSizeAreRefused) {
  const onnx::ModelProto model = zoo::build("rdi-smallcnn");
  EXPECT_THROW(measureRanges(model, {}), Error);
  EXPECT_THROW(measureRanges(model, {{1, 2, 3}}), Error);
}

}  // namespace
}  // namespace rdi::graph
