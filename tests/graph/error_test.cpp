// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/error.hpp"

#include <gtest/gtest.h>

#include "graph/run_main.hpp"

namespace rdi {
namespace {

TEST(Error, TextPutsItsPartsTogether) { EXPECT_EQ(text("found ", 3, " of ", 4.5, '!'), "found 3 of 4.5!"); }

TEST(Error, OneLineKeepsSpacesButNoLineEnds) {
  EXPECT_EQ(onOneLine("a  b.onnx: plain"), "a  b.onnx: plain");
  EXPECT_EQ(onOneLine("first: \n  name: x\n\n\tlast\r\n"), "first: name: x last");
  EXPECT_EQ(onOneLine("\n\n"), "");
}

TEST(RunMain, ReturnsTheBodysCodeOrPrintsOneLineAndReturnsOne) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(runMain("program", [] { return 7; }), 7);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  testing::internal::CaptureStderr();
  EXPECT_EQ(runMain("program", []() -> int { throw Error("tensor 'a\nb' is wrong"); }), 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "program: tensor 'a b' is wrong\n");
}

}  // namespace
}  // namespace rdi
