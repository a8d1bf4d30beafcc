// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/weights.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/converters/messages.hpp"

namespace rdi::convert {
namespace {

using test::expectRefused;

template <typename Stored>
std::vector<float> floats(ElementType type, const std::vector<Stored>& stored) {
  const std::string bytes(reinterpret_cast<const char*>(stored.data()), stored.size() * sizeof(Stored));
  return toFloat(denseTensor(type, {static_cast<int64_t>(stored.size())}, bytes));
}

TEST(Weights, EveryTypeBecomesFloat) {
  using V = std::vector<float>;
  EXPECT_EQ(floats<float>(ElementType::float32, {1.5f, -2}), (V{1.5f, -2}));
  EXPECT_EQ(floats<double>(ElementType::float64, {1.5, 1e-300, -3e38}), (V{1.5f, 0, -3e38f}));
  EXPECT_EQ(floats<int8_t>(ElementType::int8, {-128, 127}), (V{-128, 127}));
  EXPECT_EQ(floats<uint8_t>(ElementType::uint8, {0, 255}), (V{0, 255}));
  EXPECT_EQ(floats<int16_t>(ElementType::int16, {-32768, 7}), (V{-32768, 7}));
  EXPECT_EQ(floats<int32_t>(ElementType::int32, {-5, 1 << 20}), (V{-5, 1 << 20}));
  EXPECT_EQ(floats<int64_t>(ElementType::int64, {-5, int64_t{1} << 40}), (V{-5, 1099511627776.0f}));
  EXPECT_EQ(floats<uint8_t>(ElementType::boolean, {0, 1, 2}), (V{0, 1, 1}));
  EXPECT_EQ(floats<uint16_t>(ElementType::bfloat16, {0x3fc0, 0xc000, 0x7f80}), (V{1.5f, -2, INFINITY}));
  // 1.5, -2, largest, smallest normal, smallest subnormal, -largest subnormal, -0, infinity
  EXPECT_EQ(floats<uint16_t>(ElementType::float16,
                             {0x3e00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x83ff, 0x8000, 0x7c00}),
            (V{1.5f, -2, 65504, std::ldexp(1.0f, -14), std::ldexp(1.0f, -24), -std::ldexp(1023.0f, -24),
               -0.0f, INFINITY}));
  EXPECT_TRUE(std::isnan(floats<uint16_t>(ElementType::float16, {0x7e00})[0]));
  EXPECT_TRUE(std::isnan(floats<uint16_t>(ElementType::bfloat16, {0x7fc0})[0]));
  EXPECT_TRUE(std::isinf(floats<double>(ElementType::float64, {INFINITY})[0]));
}

TEST(Weights, ADoubleBeyondFloatIsRefused) {
  expectRefused([] { floats<double>(ElementType::float64, {1, 1e39}); }, {"1e+39", "float32"});
}

TEST(Weights, ViewsAreReadInTheirOwnOrder) {
  const std::vector<float> stored = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::string_view bytes(reinterpret_cast<const char*>(stored.data()), stored.size() * sizeof(float));
  using V = std::vector<float>;
  EXPECT_EQ(toFloat({ElementType::float32, {2, 3}, {1, 2}, bytes}), (V{0, 2, 4, 1, 3, 5}));  // transposed
  EXPECT_EQ(toFloat({ElementType::float32, {2, 2}, {5, 2}, bytes.substr(8)}), (V{2, 4, 7, 9}));
  EXPECT_EQ(toFloat({ElementType::float32, {}, {}, bytes.substr(12)}), (V{3}));
  EXPECT_EQ(toFloat({ElementType::float32, {2, 0, 3}, {0, 3, 1}, bytes}), V{});
  EXPECT_EQ(toFloat({ElementType::float32, {1, 2, 1}, {77, 3, 99}, bytes}), (V{0, 3}));
  EXPECT_EQ(toFloat({ElementType::float32, {3}, {0}, bytes}), (V{0, 0, 0}));  // expanded
}

TEST(Weights, TensorsThatLeaveTheirBytesAreRefused) {
  const std::string bytes(40, '\0');  // ten floats
  const auto check = [&](const graph::Shape& shape, const graph::Shape& strides) {
    return [=] { checkTensor({ElementType::float32, shape, strides, bytes}); };
  };
  EXPECT_EQ(test::messageOf(check({2, 5}, {5, 1})), "no error");
  EXPECT_EQ(test::messageOf(check({int64_t{1} << 62, 0, int64_t{1} << 62}, {1, 1, 1})), "no error");
  expectRefused(check({11}, {1}), {"11", "room for 10"});
  expectRefused(check({11}, {0}), {"11", "room for 10"});  // more elements than bytes, though it stays inside
  expectRefused(check({2, 5}, {6, 1}), {"2x5", "strides"});
  expectRefused(check({2}, {10}), {"strides"});
  expectRefused(check({2, 2}, {5, 5}), {"strides"});
  expectRefused(check({2, 2}, {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max()}),
                {"strides"});
  expectRefused(check({-1}, {1}), {"dimension of -1"});
  expectRefused(check({2}, {-1}), {"stride of -1"});
  expectRefused(check({2, 2}, {1}), {"2 dimensions and 1 strides"});
  expectRefused(check({int64_t{1} << 60}, {1}), {"1152921504606846976", "hostile"});
  expectRefused(check({int64_t{1} << 32, int64_t{1} << 32}, {1, 1}), {"hostile"});
  expectRefused(check({int64_t{1} << 32, int64_t{1} << 32}, {0, 0}), {"hostile"});
  expectRefused([] { checkTensor({ElementType::float32, {}, {}, ""}); }, {"room for 0"});
}

TEST(Weights, DenseTensorsNeedExactlyTheirBytes) {
  const std::string bytes(24, '\0');
  EXPECT_EQ(denseTensor(ElementType::float32, {1, 2, 3}, bytes).strides, (graph::Shape{6, 3, 1}));
  expectRefused([&] { denseTensor(ElementType::float32, {5}, bytes); }, {"24 bytes", "expected 20"});
  expectRefused([&] { denseTensor(ElementType::float32, {7}, bytes); }, {"room for 6"});
  expectRefused([&] { denseTensor(ElementType::int8, {0}, bytes); }, {"24 bytes", "expected 0"});
}

}  // namespace
}  // namespace rdi::convert
