// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/arguments.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/error.hpp"

namespace rdi::convert {
namespace {

TEST(Arguments, NamesAreSeparatedByCommas) {
  EXPECT_EQ(parseNames("a", "--exits"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(parseNames("a,b c,main", "--exits"), (std::vector<std::string>{"a", "b c", "main"}));
  for (const char* bad : {"", ",", "a,", ",a", "a,,b"})
    EXPECT_THROW(parseNames(bad, "--exits"), Error) << bad;
}

TEST(Arguments, NumbersMayBeInfiniteButNotNaN) {
  const auto numbers = parseNumbers("0.25,-1e-3,+2,inf,+inf,-inf,7", "--thresholds");
  EXPECT_EQ(numbers, (std::vector<float>{0.25f, -1e-3f, 2, INFINITY, INFINITY, -INFINITY, 7}));
  for (const char* bad :
       {"nan", "-nan", "NaN", "abc", "1.5x", "1 ", " 1", "1e99", "--1", "+-1", "+", "0x10", "1,,2"})
    EXPECT_THROW(parseNumbers(bad, "--thresholds"), Error) << bad;
}

TEST(Arguments, MessagesNameOptionAndEntry) {
  try {
    parseNumbers("0.1,high", "--thresholds");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        "--thresholds: entry 2 is 'high', expected a number, inf (everybody leaves) or -inf (nobody)");
  }
}

}  // namespace
}  // namespace rdi::convert
