// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "trainer/plot.hpp"

namespace rdi::train {

/// Lengths here are in pixels from the top left corner of the plot.
constexpr double kTextLine = 20, kDrawingWidth = 800;

struct Colour {
  double red, green, blue;  // 0..255

  std::string code() const;  // '#0072b2', in the quotes of a gnuplot script
  bool isDark() const;       // white text is read on it, black is not
};

struct Box {
  double left, top, right, bottom;
  double overlap(const Box& other) const;  // area
};

/// One series in the key.
struct Key {
  std::string name;
  Colour colour;
  int point = 0;  // gnuplot's point type; 0 = a rectangle, -1 = none
  bool line = false;
};

/// About as wide as a browser shows it.
double widthOf(const std::string& utf8);

/// What is too long for a label ends in dots.
std::string shortened(const std::string& utf8);

/// What gnuplot drew as parts for a page: no prolog, no groups that hold nothing, the page's colour for
/// black, and identifiers that begin with the title's letters, so that another plot's are others.
std::string forAPage(const std::string& gnuplotSvg, const std::string& title);

/// Such parts as an <svg> element, at most `width` wide.
std::string svgElement(const std::string& inner, const std::string& title, double width, double height);

enum class Align { left, centre, right };

/// A plot as a gnuplot script. gnuplot draws; where things go is reckoned here, so that nothing is cut or
/// overlaps.
class Drawing {
public:
  /// The axes stand at `left` and are `height` high, below the title, the key and the labels of the marks.
  Drawing(const std::string& title, const std::vector<Key>& keys, double left, double height, const Range& x,
          const Range& y, const std::vector<Mark>& xMarks);

  /// Between the axes.
  const Box& area() const { return area_; }
  double pixelX(double value) const;
  double pixelY(double value) const;

  void axisLabels(const std::string& xLabel, const std::string& yLabel);
  /// Text whose middle line is at y.
  void write(double x, double y, const std::string& content, Align align, const Colour* colour = nullptr);
  void dash(double x1, double y1, double x2, double y2);
  /// Rows of numbers, drawn with a style of gnuplot's.
  void plot(const std::string& rows, const std::string& style);
  void command(const std::string& line);

  /// The <svg> element; see draw() in trainer/plot.hpp.
  std::string svg() const;

  /// What stands inside of it, kDrawingWidth x height().
  std::string inner() const;
  double height() const { return height_; }

private:
  std::string screen(double x, double y) const;
  void showKeys(const std::vector<Key>& keys);
  void showKey(const Key& key, double x, double y);
  std::vector<double> showLabels(const std::vector<Mark>& marks);

  std::string title_;
  Box area_{};
  Range x_, y_;
  double height_ = 0;
  size_t dataCount_ = 0;
  std::ostringstream script_;
  std::string elements_;
};

}  // namespace rdi::train
