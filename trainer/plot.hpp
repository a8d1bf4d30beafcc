// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <limits>
#include <string>
#include <vector>

namespace rdi::train {

/// From where to where an axis reaches; a NaN end is chosen by the values.
struct Range {
  double from = std::numeric_limits<double>::quiet_NaN();
  double to = std::numeric_limits<double>::quiet_NaN();
};

/// A dashed line across the plot at one value of an axis.
struct Mark {
  double at = 0;
  std::string label;
};

/// Lying bars, one line a label, the first on top.
struct BarPlot {
  struct Series {
    std::string name;            // in the key
    std::vector<double> values;  // one a label, 0 or more; NaN = no bar
  };
  enum class Layout {
    grouped,  // the bars of a label one below the other
    stacked,  // one after the other
    single,   // every label has a value in one series only; that bar takes the whole line
  };
  std::string title, valueAxis;
  std::vector<std::string> labels;
  std::vector<Series> series;
  Layout layout = Layout::grouped;
  bool ordered = false;  // series are steps of a scale, so their colours are, too
  Range range = {0, Range().to};
  int digits = 1;           // of the value written at each bar
  std::vector<Mark> marks;  // on the axis of the values
};

/// Curves and points.
struct LinePlot {
  struct Series {
    std::string name;                 // in the key; an empty one is not
    std::vector<double> x, y;         // of the same length; NaN leaves a gap
    bool line = true, points = true;  // what is drawn
    std::vector<std::string> labels;  // beside the points: none at all, or one each (may be empty)
  };
  std::string title, xAxis, yAxis;
  std::vector<Series> series;
  Range x, y;
  std::vector<Mark> xMarks, yMarks;
};

/// The plot as an <svg> element to be put into a page as it is: text in the colour of the page's text, at
/// most as wide as its place. Drawn by gnuplot. Throws rdi::Error when gnuplot is not installed, and when
/// lengths do not fit.
std::string draw(const BarPlot& plot);
std::string draw(const LinePlot& plot);

/// One <svg> element with the plots one below the other; their titles differ.
std::string draw(const std::vector<LinePlot>& plots);

}  // namespace rdi::train
