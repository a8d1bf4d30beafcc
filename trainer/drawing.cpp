// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/drawing.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "graph/error.hpp"
#include "trainer/gnuplot.hpp"
#include "trainer/html.hpp"

namespace rdi::train {
namespace {

constexpr double kFontSize = 13, kCharWidth = 7.4;
constexpr double kTitleHeight = 32, kAxisHeight = 50, kRightMargin = 46;
constexpr size_t kMaxLabel = 48;  // characters

bool startsCharacter(char byte) { return (static_cast<uint8_t>(byte) & 0xc0) != 0x80; }

void replaceAll(std::string& content, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = content.find(from, at)) != std::string::npos; at += to.size())
    content.replace(at, from.size(), to);
}

}  // namespace

std::string forAPage(const std::string& file, const std::string& title) {
  std::string prefix;
  for (const char c : title) prefix += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  std::string body, open;
  bool isInside = false, isFilter = false;
  std::istringstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("<g id=\"gnuplot_canvas\">") != std::string::npos) isInside = true;
    if (!isInside || line.empty() || line == "</svg>") continue;
    if (line.find("<filter ") != std::string::npos) isFilter = true;
    const bool isLeftOut = isFilter;
    if (line.find("</filter>") != std::string::npos) isFilter = false;
    if (isLeftOut) continue;
    if (line.find("<g id=\"gnuplot_") != std::string::npos) line = "<g>";
    if (!open.empty() && line == "</g>") {
      open.clear();
      continue;
    }
    body += open;
    open.clear();
    if (line.find("<text>") == std::string::npos) {  // what is written stays as it is
      replaceAll(line, "id='gp", "id='" + prefix + "-");
      replaceAll(line, "href='#gp", "href='#" + prefix + "-");
      for (const char* quote : {"\"", "'"})
        replaceAll(line, text(quote, "black", quote), text(quote, "currentColor", quote));
    }
    (line.rfind("<g fill=\"none\"", 0) == 0 ? open : body) += line + "\n";
  }
  return body;
}

std::string svgElement(const std::string& inner, const std::string& title, double width, double height) {
  return text(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" role=\"img\""
      " aria-label=\"",
      escaped(title), "\" viewBox=\"0 0 ", width, " ", height, "\" style=\"width:100%;max-width:", width,
      "px;height:auto\">\n", inner, "</svg>\n");
}

std::string Colour::code() const {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "'#%02x%02x%02x'", static_cast<unsigned>(std::lround(red)),
                static_cast<unsigned>(std::lround(green)), static_cast<unsigned>(std::lround(blue)));
  return buffer;
}

bool Colour::isDark() const { return 0.299 * red + 0.587 * green + 0.114 * blue < 110; }

double Box::overlap(const Box& other) const {
  const double width = std::min(right, other.right) - std::max(left, other.left);
  const double height = std::min(bottom, other.bottom) - std::max(top, other.top);
  return width > 0 && height > 0 ? width * height : 0;
}

double widthOf(const std::string& utf8) {
  return kCharWidth * static_cast<double>(std::count_if(utf8.begin(), utf8.end(), startsCharacter));
}

std::string shortened(const std::string& utf8) {
  size_t count = 0;
  for (size_t i = 0; i < utf8.size(); ++i)
    if (startsCharacter(utf8[i]) && ++count > kMaxLabel) return utf8.substr(0, i) + "...";
  return utf8;
}

Drawing::Drawing(const std::string& title, const std::vector<Key>& keys, double left, double height,
                 const Range& x, const Range& y, const std::vector<Mark>& xMarks)
    : title_(title), x_(x), y_(y) {
  area_ = {left, kTitleHeight, kDrawingWidth - kRightMargin, 0};
  write(left, 14, title, Align::left);
  showKeys(keys);
  std::vector<double> marked = showLabels(xMarks);
  area_.top += 8;
  area_.bottom = area_.top + height;
  height_ = area_.bottom + kAxisHeight;
  for (const double at : marked) dash(at, area_.top, at, area_.bottom);
  script_ << "set xrange [" << x.from << ":" << x.to << "]\nset yrange [" << y.from << ":" << y.to << "]\n";
}

double Drawing::pixelX(double value) const {
  return area_.left + (value - x_.from) / (x_.to - x_.from) * (area_.right - area_.left);
}

double Drawing::pixelY(double value) const {
  return area_.bottom - (value - y_.from) / (y_.to - y_.from) * (area_.bottom - area_.top);
}

void Drawing::axisLabels(const std::string& xLabel, const std::string& yLabel) {
  write((area_.left + area_.right) / 2, area_.bottom + 38, xLabel, Align::centre);
  if (!yLabel.empty()) script_ << "set ylabel " << gnuplotString(yLabel) << " offset 1,0\n";
}

void Drawing::command(const std::string& line) { script_ << line << "\n"; }

void Drawing::write(double x, double y, const std::string& content, Align align, const Colour* colour) {
  script_ << "set label " << gnuplotString(content) << " at " << screen(x, y)
          << (align == Align::left     ? " left"
              : align == Align::centre ? " center"
                                       : " right")
          << (colour ? " textcolor rgb " + colour->code() : "") << " front\n";
}

void Drawing::dash(double x1, double y1, double x2, double y2) {
  script_ << "set arrow from " << screen(x1, y1) << " to " << screen(x2, y2)
          << " nohead lt 1 lw 1.3 dashtype 2 lc rgb '#808080' front\n";
}

void Drawing::plot(const std::string& rows, const std::string& style) {
  if (rows.empty()) return;
  const std::string name = text("$data", ++dataCount_);
  script_ << name << " << EOD\n" << rows << "EOD\n";
  elements_ += text(", ", name, " ", style, " notitle");
}

std::string Drawing::screen(double x, double y) const {
  // The height is not known while the key is laid out: gnuplot computes.
  return text("screen ", x / kDrawingWidth, ",(1 - ", y, " / canvas)");
}

// The key and the labels of marks push the axes down, line by line.
void Drawing::showKeys(const std::vector<Key>& keys) {
  double x = area_.left;
  for (const Key& key : keys) {
    const double width = 24 + widthOf(key.name) + 14;
    if (x > area_.left && x + width > kDrawingWidth) x = area_.left, area_.top += kTextLine;
    showKey(key, x, area_.top + kTextLine / 2);
    x += width;
  }
  if (!keys.empty()) area_.top += kTextLine;
}

// Returns where the marks are.
std::vector<double> Drawing::showLabels(const std::vector<Mark>& marks) {
  std::vector<double> result;
  std::vector<double> lineEnds;  // how far to the right each line is taken
  std::vector<Mark> sorted = marks;
  std::sort(sorted.begin(), sorted.end(), [](const Mark& a, const Mark& b) { return a.at < b.at; });
  for (const Mark& mark : sorted) {
    const double width = widthOf(mark.label), at = pixelX(mark.at);
    const double left = std::clamp(at - width / 2, 0.0, std::max(0.0, kDrawingWidth - width));
    size_t line = 0;
    while (line < lineEnds.size() && lineEnds[line] > left) ++line;
    if (line == lineEnds.size()) lineEnds.push_back(0);
    lineEnds[line] = left + width + 10;
    write(left + width / 2, area_.top + (static_cast<double>(line) + 0.5) * kTextLine, mark.label,
          Align::centre);
    result.push_back(at);
  }
  area_.top += kTextLine * static_cast<double>(lineEnds.size());
  return result;
}

void Drawing::showKey(const Key& key, double x, double y) {
  if (key.point == 0)
    script_ << "set object rectangle from " << screen(x, y - 6) << " to " << screen(x + 16, y + 6)
            << " fillcolor rgb " << key.colour.code() << " fillstyle solid 1 noborder\n";
  if (key.line)
    script_ << "set arrow from " << screen(x, y) << " to " << screen(x + 18, y) << " nohead lw 2 lc rgb "
            << key.colour.code() << "\n";
  if (key.point > 0)
    script_ << "set label '' at " << screen(x + 9, y) << " point pt " << key.point << " ps 1 lc rgb "
            << key.colour.code() << "\n";
  write(x + 24, y, key.name, Align::left);
}

std::string Drawing::svg() const { return svgElement(inner(), title_, kDrawingWidth, height_); }

std::string Drawing::inner() const {
  std::ostringstream script;
  script << "set terminal svg size " << kDrawingWidth << "," << height_ << " noenhanced font 'sans-serif,"
         << kFontSize << "'\nset encoding utf8\ncanvas = 1.0 * " << height_ << "\n"
         << "set lmargin at screen " << area_.left / kDrawingWidth << "\nset rmargin at screen "
         << area_.right / kDrawingWidth << "\nset tmargin at screen " << 1 - area_.top / height_
         << "\nset bmargin at screen " << 1 - area_.bottom / height_
         << "\nunset key\nset border 3 lw 0.7\nset tics nomirror scale 0.5\n"
         << "set grid lt 1 lw 0.5 lc rgb '#b0808080'\n"
         << script_.str() << "plot NaN notitle" << elements_ << "\n";
  return forAPage(runGnuplot(script.str()), title_);
}

}  // namespace rdi::train
