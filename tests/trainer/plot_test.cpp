// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/plot.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <regex>
#include <set>

#include "graph/error.hpp"
#include "tests/trainer/page.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/gnuplot.hpp"

namespace rdi::train {
namespace {

using test::count;
using test::PathIs;

class Plot : public testing::Test {
protected:
  void SetUp() override {
    if (!test::hasGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  }
};

BarPlot shares() {
  BarPlot plot;
  plot.title = "Exits <taken>";
  plot.valueAxis = "share, %";
  plot.labels = {"clean", "it's `echo bad`"};
  plot.layout = BarPlot::Layout::stacked;
  plot.ordered = true;
  plot.range = {0, 100};
  plot.series = {{"exit1", {62.5, 3}}, {"exit2", {12.5, NAN}}, {"main", {25, 97}}};
  return plot;
}

LinePlot frontier() {
  LinePlot plot;
  plot.title = "Frontier";
  plot.xAxis = "cost";
  plot.yAxis = "right";
  plot.series = {{"curve", {1, 2, NAN, 4}, {10, 20, NAN, 40}, true, true, {"first", "", "", "last"}}};
  plot.yMarks = {{25, "baseline"}};
  return plot;
}

// Left and right end of every filled polygon of this colour.
std::vector<std::pair<double, double>> bars(const std::string& svg, const std::string& rgb) {
  std::vector<std::pair<double, double>> result;
  const std::regex shape("fill = '" + rgb + "' points = '([^']*)'");
  for (std::sregex_iterator it(svg.begin(), svg.end(), shape), end; it != end; ++it) {
    const std::string points = (*it)[1];
    const std::regex point("([0-9.]+),([0-9.]+)");
    double left = 1e9, right = 0;
    for (std::sregex_iterator p(points.begin(), points.end(), point), last; p != last; ++p) {
      left = std::min(left, std::stod((*p)[1]));
      right = std::max(right, std::stod((*p)[1]));
    }
    result.emplace_back(left, right);
  }
  return result;
}

std::string messageOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_F(Plot, StackedBarsFollowEachOtherInProportion) {
  const std::string svg = draw(shares());
  const auto first = bars(svg, "rgb\\(223, 227,  24\\)"), second = bars(svg, "rgb\\( 31, 161, 135\\)"),
             third = bars(svg, "rgb\\( 70,  51, 127\\)");
  // A swatch in the key and two bars; NaN has none.
  ASSERT_EQ(first.size(), 3U) << svg;
  ASSERT_EQ(second.size(), 2U);
  ASSERT_EQ(third.size(), 3U);
  const double left = first[1].first, width = (first[1].second - left) / 0.625;
  EXPECT_NEAR(second[1].first, left + 0.625 * width, 1);
  EXPECT_NEAR(second[1].second, left + 0.75 * width, 1);
  EXPECT_NEAR(third[1].second, left + width, 1);
  EXPECT_NEAR(third[2].first, left + 0.03 * width, 1);
  // What fits is written into its part, what does not is left out.
  EXPECT_EQ(count(svg, "<text>62.5</text>"), 1U);
  EXPECT_EQ(count(svg, "<text>97.0</text>"), 1U);
  EXPECT_EQ(count(svg, "<text>3.0</text>"), 0U);
}

TEST_F(Plot, NamesAreShownAsTheyAreAndNeverRun) {
  const std::string svg = draw(shares());
  for (const char* part : {"Exits &lt;taken", "<text>it's `echo bad`</text>", "<text>exit2</text>",
                           "<text>share, %</text>", "aria-label=\"Exits &lt;taken&gt;\""})
    EXPECT_NE(svg.find(part), std::string::npos) << part << "\n" << svg;
}

TEST_F(Plot, StandsInAPageBesideOthersInItsTextColour) {
  const std::string page = draw(shares()) + draw(frontier());
  EXPECT_EQ(count(page, "<svg "), 2U);
  EXPECT_EQ(count(page, "<?xml"), 0U);
  EXPECT_EQ(count(page, "black"), 0U);
  EXPECT_GT(count(page, "currentColor"), 0U);
  std::set<std::string> names;
  const std::regex id("\\bid=['\"]([^'\"]*)");
  for (std::sregex_iterator it(page.begin(), page.end(), id), end; it != end; ++it)
    EXPECT_TRUE(names.insert((*it)[1]).second) << (*it)[1];
  const std::regex use("href='#([^']*)'");
  for (std::sregex_iterator it(page.begin(), page.end(), use), end; it != end; ++it)
    EXPECT_TRUE(names.count((*it)[1])) << (*it)[1];
}

TEST_F(Plot, CurvesHavePointsGapsLabelsAndMarks) {
  const std::string svg = draw(frontier());
  EXPECT_EQ(count(svg, "<use xlink:href='#Frontier-Pt6' transform"), 4U) << svg;  // three and the key
  for (const char* part :
       {"<text>first</text>", "<text>last</text>", "<text>baseline</text>", "<text>curve</text>"})
    EXPECT_EQ(count(svg, part), 1U) << part;
  EXPECT_NE(svg.find("stroke-dasharray"), std::string::npos);
}

TEST_F(Plot, LabelsOfPointsThatLieTogetherDoNotOverlap) {
  LinePlot plot;
  plot.title = "Together";
  LinePlot::Series series;
  series.line = false;
  for (int i = 0; i < 6; ++i) {
    series.x.push_back(50 + 0.1 * i);
    series.y.push_back(50);
    series.labels.push_back("attack number " + std::to_string(i));
  }
  plot.series = {series};
  plot.x = plot.y = {0, 100};
  const std::string svg = draw(plot);
  std::vector<std::pair<double, double>> places;
  const std::regex label("translate\\(([0-9.]+),([0-9.]+)\\)[^>]*>\\s*<text>attack");
  for (std::sregex_iterator it(svg.begin(), svg.end(), label), end; it != end; ++it)
    places.emplace_back(std::stod((*it)[1]), std::stod((*it)[2]));
  ASSERT_EQ(places.size(), 6U);
  const double width = 15 * 7, height = 13;
  for (size_t a = 0; a < places.size(); ++a)
    for (size_t b = 0; b < a; ++b)
      EXPECT_TRUE(std::abs(places[a].first - places[b].first) > width ||
                  std::abs(places[a].second - places[b].second) > height)
          << a << " and " << b;
}

TEST_F(Plot, WhatIsWrittenIsNotTakenForMarkup) {
  LinePlot plot = frontier();
  plot.series[0].name = "a 'black' id='gpPt' cat";
  EXPECT_EQ(count(draw(plot), "<text>a 'black' id='gpPt' cat</text>"), 1U);
}

TEST_F(Plot, NothingToShowIsAnEmptyPlot) {
  BarPlot bars;
  bars.title = "Nothing";
  EXPECT_NE(draw(bars).find("</svg>"), std::string::npos);
  LinePlot curves;
  curves.series = {{"", {NAN}, {1}, true, true, {}}};
  EXPECT_NE(draw(curves).find("</svg>"), std::string::npos);
}

TEST_F(Plot, SeriesOfAnotherLengthAreRefused) {
  BarPlot bars = shares();
  bars.series[1].values.pop_back();
  EXPECT_EQ(messageOf([&] { draw(bars); }), "plot: series \"exit2\" has 1 values, expected 2");
  LinePlot curves = frontier();
  curves.series[0].y.push_back(1);
  EXPECT_EQ(messageOf([&] { draw(curves); }), "plot: series \"curve\" has 5 values, expected 4");
  curves = frontier();
  curves.series[0].labels.pop_back();
  EXPECT_NE(messageOf([&] { draw(curves); }).find("3 labels, expected 4"), std::string::npos);
}

TEST_F(Plot, WhatGnuplotComplainsOfIsPassedOn) {
  const std::string message = messageOf([] { runGnuplot("plot nosuchfunction(x)\n"); });
  EXPECT_NE(message.find("gnuplot failed: "), std::string::npos) << message;
  EXPECT_NE(message.find("nosuchfunction"), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(PlotWithoutGnuplot, NamesThePackage) {
  const test::TemporaryFolder empty;
  const PathIs path(empty.path());
  const std::string message = messageOf([] { draw(shares()); });
  EXPECT_EQ(message, "plots need gnuplot, which is not installed; on Debian: apt-get install gnuplot-nox");
}

}  // namespace
}  // namespace rdi::train
