// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/heat_map.hpp"

#include <gtest/gtest.h>

#include "graph/error.hpp"
#include "tests/trainer/page.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

class HeatMapFigure : public testing::Test {
protected:
  void SetUp() override {
    if (!test::hasGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  }
  HeatMaps figure_{"Figure",
                   "right",
                   "up",
                   2,
                   {{"rising <map>", 3, {0, 1, 2, 3, 4, 5, 6, 7, 8}}, {"flat", 2, {5, 5, 5, 5}}}};
};

TEST_F(HeatMapFigure, HasAPixelForEachValueFromTheDarkToTheLightEnd) {
  const std::string svg = draw(figure_);
  EXPECT_EQ(test::count(svg, "<polygon"), 9U + 4U) << svg;
  EXPECT_EQ(test::count(svg, "rgb( 68,   1,  84)"), 1U) << "the least value";
  EXPECT_EQ(test::count(svg, "rgb(253, 231,  37)"), 1U) << "the largest";
  EXPECT_EQ(test::count(svg, "<svg "), 1U);
  EXPECT_EQ(test::count(svg, "</svg>"), 1U);
}

TEST_F(HeatMapFigure, SaysWhatItShowsAndFromWhereToWhereEachScaleReaches) {
  const std::string svg = draw(figure_);
  for (const char* part : {"<text>Figure</text>", "rising &lt;map", "<text>0 to 8</text>",
                           "<text>5 to 5</text>", "<text>right</text>", "<text>up</text>"})
    EXPECT_NE(svg.find(part), std::string::npos) << part << "\n" << svg;
}

TEST_F(HeatMapFigure, WrongNumbersOfValuesAreRefused) {
  figure_.maps[1].values.pop_back();
  try {
    draw(figure_);
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "heat map \"flat\" has 3 values, expected 2 x 2");
  }
}

}  // namespace
}  // namespace rdi::train
