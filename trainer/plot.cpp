// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/plot.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <sstream>

#include "graph/error.hpp"
#include "trainer/gnuplot.hpp"
#include "trainer/html.hpp"
#include "trainer/number_format.hpp"

namespace rdi::train {
namespace {

// Lengths are in pixels from the top left corner. gnuplot draws; where things go is reckoned here, so that
// nothing is cut or overlaps.
constexpr double kWidth = 800, kFontSize = 13, kCharWidth = 7.4, kLineHeight = 20;
constexpr double kTitleHeight = 32, kAxisHeight = 50, kRightMargin = 46, kCurveHeight = 360;
constexpr size_t kMaxLabel = 48;  // characters

struct Colour {
  double red, green, blue;  // 0..255

  std::string code() const {
    char buffer[16];
    std::snprintf(buffer, sizeof buffer, "'#%02x%02x%02x'", static_cast<unsigned>(std::lround(red)),
                  static_cast<unsigned>(std::lround(green)), static_cast<unsigned>(std::lround(blue)));
    return buffer;
  }
  bool isDark() const { return 0.299 * red + 0.587 * green + 0.114 * blue < 110; }
};
constexpr Colour kWhite = {255, 255, 255}, kInk = {20, 20, 20};

// Okabe and Ito's colours, told apart by colour-blind people too, on white and on black.
constexpr std::array<Colour, 8> kDistinct = {{{0, 114, 178},
                                              {230, 159, 0},
                                              {0, 158, 115},
                                              {213, 94, 0},
                                              {204, 121, 167},
                                              {86, 180, 233},
                                              {140, 140, 140},
                                              {128, 70, 170}}};
// Steps of the scale viridis, without its ends.
constexpr std::array<Colour, 7> kScale = {{{223, 227, 24},
                                           {160, 218, 57},
                                           {74, 193, 109},
                                           {31, 161, 135},
                                           {39, 127, 142},
                                           {54, 92, 141},
                                           {70, 51, 127}}};

Colour colourOf(size_t index, size_t count, bool ordered) {
  if (!ordered) return kDistinct[index % kDistinct.size()];
  const double place = count < 2 ? 0
                                 : static_cast<double>(index) / static_cast<double>(count - 1) *
                                       static_cast<double>(kScale.size() - 1);
  const size_t below = std::min(static_cast<size_t>(place), kScale.size() - 2);
  const double part = place - static_cast<double>(below);
  const Colour &a = kScale[below], &b = kScale[below + 1];
  return {a.red + part * (b.red - a.red), a.green + part * (b.green - a.green),
          a.blue + part * (b.blue - a.blue)};
}

// gnuplot's point types, told apart without colour too.
int pointOf(size_t index) { return std::array<int, 6>{7, 5, 9, 13, 11, 15}[index % 6]; }

bool startsCharacter(char byte) { return (static_cast<uint8_t>(byte) & 0xc0) != 0x80; }

double widthOf(const std::string& utf8) {
  return kCharWidth * static_cast<double>(std::count_if(utf8.begin(), utf8.end(), startsCharacter));
}

std::string shortened(const std::string& utf8) {
  size_t count = 0;
  for (size_t i = 0; i < utf8.size(); ++i)
    if (startsCharacter(utf8[i]) && ++count > kMaxLabel) return utf8.substr(0, i) + "...";
  return utf8;
}

struct Box {
  double left, top, right, bottom;
  double overlap(const Box& other) const {
    const double width = std::min(right, other.right) - std::max(left, other.left);
    const double height = std::min(bottom, other.bottom) - std::max(top, other.top);
    return width > 0 && height > 0 ? width * height : 0;
  }
};

// One series in the key.
struct Key {
  std::string name;
  Colour colour;
  int point = 0;  // 0 = a rectangle
  bool line = false;
};

enum class Align { left, centre, right };

/// Collects a gnuplot script and runs it.
class Drawing {
public:
  /// The axes stand at `left` and are `height` high, below the title, the key and the labels of the marks.
  Drawing(const std::string& title, const std::vector<Key>& keys, double left, double height, const Range& x,
          const Range& y, const std::vector<Mark>& xMarks)
      : title_(title), x_(x), y_(y) {
    area_ = {left, kTitleHeight, kWidth - kRightMargin, 0};
    write(left, 14, title, Align::left);
    showKeys(keys);
    std::vector<double> marked = showLabels(xMarks);
    area_.top += 8;
    area_.bottom = area_.top + height;
    height_ = area_.bottom + kAxisHeight;
    for (const double at : marked) dash(at, area_.top, at, area_.bottom);
    script_ << "set xrange [" << x.from << ":" << x.to << "]\nset yrange [" << y.from << ":" << y.to << "]\n";
  }

  const Box& area() const { return area_; }

  void axisLabels(const std::string& xLabel, const std::string& yLabel) {
    write((area_.left + area_.right) / 2, area_.bottom + 38, xLabel, Align::centre);
    if (!yLabel.empty()) script_ << "set ylabel " << gnuplotString(yLabel) << " offset 1,0\n";
  }
  double pixelX(double value) const {
    return area_.left + (value - x_.from) / (x_.to - x_.from) * (area_.right - area_.left);
  }
  double pixelY(double value) const {
    return area_.bottom - (value - y_.from) / (y_.to - y_.from) * (area_.bottom - area_.top);
  }

  void command(const std::string& line) { script_ << line << "\n"; }

  /// Text whose middle line is at y.
  void write(double x, double y, const std::string& content, Align align, const Colour* colour = nullptr) {
    script_ << "set label " << gnuplotString(content) << " at " << screen(x, y)
            << (align == Align::left     ? " left"
                : align == Align::centre ? " center"
                                         : " right")
            << (colour ? " textcolor rgb " + colour->code() : "") << " front\n";
  }

  void dash(double x1, double y1, double x2, double y2) {
    script_ << "set arrow from " << screen(x1, y1) << " to " << screen(x2, y2)
            << " nohead lt 1 lw 1.3 dashtype 2 lc rgb '#808080' front\n";
  }

  /// Rows of numbers, drawn with a style of gnuplot's.
  void plot(const std::string& rows, const std::string& style) {
    if (rows.empty()) return;
    const std::string name = text("$data", ++dataCount_);
    script_ << name << " << EOD\n" << rows << "EOD\n";
    elements_ += text(", ", name, " ", style, " notitle");
  }

  std::string svg() const;

private:
  std::string screen(double x, double y) const {
    // The height is not known while the key is laid out: gnuplot computes.
    return text("screen ", x / kWidth, ",(1 - ", y, " / canvas)");
  }

  // The key and the labels of marks push the axes down, line by line.
  void showKeys(const std::vector<Key>& keys) {
    double x = area_.left;
    for (const Key& key : keys) {
      const double width = 24 + widthOf(key.name) + 14;
      if (x > area_.left && x + width > kWidth) x = area_.left, area_.top += kLineHeight;
      showKey(key, x, area_.top + kLineHeight / 2);
      x += width;
    }
    if (!keys.empty()) area_.top += kLineHeight;
  }

  // Returns where the marks are.
  std::vector<double> showLabels(const std::vector<Mark>& marks) {
    std::vector<double> result;
    std::vector<double> lineEnds;  // how far to the right each line is taken
    std::vector<Mark> sorted = marks;
    std::sort(sorted.begin(), sorted.end(), [](const Mark& a, const Mark& b) { return a.at < b.at; });
    for (const Mark& mark : sorted) {
      const double width = widthOf(mark.label), at = pixelX(mark.at);
      const double left = std::clamp(at - width / 2, 0.0, std::max(0.0, kWidth - width));
      size_t line = 0;
      while (line < lineEnds.size() && lineEnds[line] > left) ++line;
      if (line == lineEnds.size()) lineEnds.push_back(0);
      lineEnds[line] = left + width + 10;
      write(left + width / 2, area_.top + (static_cast<double>(line) + 0.5) * kLineHeight, mark.label,
            Align::centre);
      result.push_back(at);
    }
    area_.top += kLineHeight * static_cast<double>(lineEnds.size());
    return result;
  }

  void showKey(const Key& key, double x, double y) {
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

  std::string title_;
  Box area_{};
  Range x_, y_;
  double height_ = 0;
  size_t dataCount_ = 0;
  std::ostringstream script_;
  std::string elements_;
};

void replaceAll(std::string& content, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = content.find(from, at)) != std::string::npos; at += to.size())
    content.replace(at, from.size(), to);
}

// gnuplot's file -> an element for a page: no prolog, no identifiers that another plot has too, no groups
// that hold nothing, and the page's colour for black.
std::string forAPage(const std::string& file, const std::string& title, double height) {
  std::string prefix;
  for (const char c : title) prefix += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  std::string body, open;
  bool isInside = false, isFilter = false;
  std::istringstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("<g id=\"gnuplot_canvas\">") != std::string::npos) isInside = true;
    if (!isInside || line.empty()) continue;
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
    (line.rfind("<g fill=\"none\"", 0) == 0 ? open : body) += line + "\n";
  }
  replaceAll(body, "id='gp", "id='" + prefix + "-");
  replaceAll(body, "href='#gp", "href='#" + prefix + "-");
  for (const char* quote : {"\"", "'"})
    replaceAll(body, text(quote, "black", quote), text(quote, "currentColor", quote));
  return text(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" role=\"img\""
      " aria-label=\"",
      escaped(title), "\" viewBox=\"0 0 ", kWidth, " ", height, "\" style=\"width:100%;max-width:", kWidth,
      "px;height:auto\">\n", body);
}

std::string Drawing::svg() const {
  std::ostringstream script;
  script << "set terminal svg size " << kWidth << "," << height_ << " noenhanced font 'sans-serif,"
         << kFontSize << "'\nset encoding utf8\ncanvas = " << height_ << ".0\n"
         << "set lmargin at screen " << area_.left / kWidth << "\nset rmargin at screen "
         << area_.right / kWidth << "\nset tmargin at screen " << 1 - area_.top / height_
         << "\nset bmargin at screen " << 1 - area_.bottom / height_
         << "\nunset key\nset border 3 lw 0.7\nset tics nomirror scale 0.5\n"
         << "set grid lt 1 lw 0.5 lc rgb '#b0808080'\n"
         << script_.str() << "plot NaN notitle" << elements_ << "\n";
  return forAPage(runGnuplot(script.str()), title_, height_);
}

void checkLength(const std::string& name, size_t found, size_t expected) {
  if (found != expected)
    throw Error(text("plot: series \"", name, "\" has ", found, " values, expected ", expected));
}

double endOf(double asked, double automatic) { return std::isnan(asked) ? automatic : asked; }

// The values with some space around them; always of some length.
Range rangeAround(const Range& asked, const std::vector<double>& values) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values)
    if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  if (low > high) low = 0, high = 1;
  const double space = high > low ? (high - low) * 0.06 : std::max(std::abs(high) * 0.1, 0.5);
  Range result = {endOf(asked.from, low - space), endOf(asked.to, high + space)};
  if (!(result.from < result.to)) result.to = result.from + 1;
  return result;
}

// Where a label of a point goes: of the places around it the one that hides least of what is there already.
Box placeLabel(double x, double y, double width, const Box& area, const std::vector<Box>& taken) {
  const double height = kLineHeight - 4, gap = 8;
  Box best{};
  double least = std::numeric_limits<double>::infinity();
  for (const double distance : {0.0, 14.0, 28.0, 42.0})
    for (const auto& [right, below] :
         {std::array<double, 2>{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {1, -1}, {1, 1}, {-1, -1}, {-1, 1}}) {
      const double left = x + right * (gap + distance) - width * (1 - right) / 2;
      const double top = y + below * (right == 0 ? gap + distance + height / 2 : 11 + distance) - height / 2;
      const Box box = {left, top, left + width, top + height};
      double hidden = width * height - box.overlap(area);
      for (const Box& other : taken) hidden += box.overlap(other);
      if (hidden < least) least = hidden, best = box;
    }
  return best;
}

}  // namespace

std::string draw(const BarPlot& plot) {
  using Layout = BarPlot::Layout;
  const size_t seriesCount = plot.series.size(), count = plot.labels.size();
  std::vector<Key> keys;
  double longest = 0, highest = 0;
  for (size_t s = 0; s < seriesCount; ++s) {
    checkLength(plot.series[s].name, plot.series[s].values.size(), count);
    if (!plot.series[s].name.empty())
      keys.push_back({plot.series[s].name, colourOf(s, seriesCount, plot.ordered)});
  }
  for (size_t i = 0; i < count; ++i) {
    longest = std::max(longest, widthOf(shortened(plot.labels[i])));
    double sum = 0;
    for (const BarPlot::Series& series : plot.series) {
      const double value = std::isfinite(series.values[i]) ? series.values[i] : 0;
      sum = plot.layout == Layout::stacked ? sum + value : std::max(sum, value);
    }
    highest = std::max(highest, sum);
  }

  const double lines = std::max(1.0, static_cast<double>(count));
  const bool isGrouped = plot.layout == Layout::grouped && seriesCount > 1;
  const double lineHeight = isGrouped ? 14.0 * static_cast<double>(seriesCount) + 10 : count > 30 ? 18 : 24;
  for (const Mark& mark : plot.marks) highest = std::max(highest, mark.at);
  Drawing drawing(plot.title, keys, longest + 16, lineHeight * lines,
                  {endOf(plot.range.from, 0), endOf(plot.range.to, highest > 0 ? highest * 1.08 : 1)},
                  {lines + 0.5, 0.5}, plot.marks);
  drawing.axisLabels(plot.valueAxis, "");
  drawing.command("unset ytics");
  drawing.command("set style fill solid 1 noborder");
  const Box& area = drawing.area();
  for (size_t i = 0; i < count; ++i)
    drawing.write(area.left - 8, drawing.pixelY(static_cast<double>(i) + 1), shortened(plot.labels[i]),
                  Align::right);

  std::vector<double> ends(count, 0);  // of the bars so far, when they are stacked
  for (size_t s = 0; s < seriesCount; ++s) {
    const Colour colour = colourOf(s, seriesCount, plot.ordered);
    std::ostringstream rows;
    for (size_t i = 0; i < count; ++i) {
      const double value = plot.series[s].values[i];
      if (!std::isfinite(value)) continue;
      const double from = plot.layout == Layout::stacked ? ends[i] : std::max(0.0, plot.range.from);
      const double to = plot.layout == Layout::stacked ? from + value : value;
      ends[i] = to;
      const double half = isGrouped ? 7 / lineHeight : 0.38;
      const double middle =
          static_cast<double>(i) + 1 +
          (isGrouped ? 14 / lineHeight * (static_cast<double>(s) - static_cast<double>(seriesCount - 1) / 2)
                     : 0);
      rows << to << " " << middle << " " << from << " " << to << " " << middle - half << " " << middle + half
           << "\n";
      const std::string written = fixed(value, plot.digits);
      const double y = drawing.pixelY(middle), x = drawing.pixelX(to);
      if (plot.layout != Layout::stacked)
        drawing.write(x + 4, y, written, Align::left);
      else if (x - drawing.pixelX(from) > widthOf(written) + 2)
        drawing.write((x + drawing.pixelX(from)) / 2, y, written, Align::centre,
                      colour.isDark() ? &kWhite : &kInk);
    }
    drawing.plot(rows.str(), "with boxxyerror lc rgb " + colour.code());
  }
  return drawing.svg();
}

std::string draw(const LinePlot& plot) {
  std::vector<double> xs, ys;
  std::vector<Key> keys;
  for (size_t s = 0; s < plot.series.size(); ++s) {
    const LinePlot::Series& series = plot.series[s];
    checkLength(series.name, series.y.size(), series.x.size());
    if (!series.labels.empty())
      checkLength(series.name + "\", labels of \"", series.labels.size(), series.x.size());
    xs.insert(xs.end(), series.x.begin(), series.x.end());
    ys.insert(ys.end(), series.y.begin(), series.y.end());
    if (!series.name.empty())
      keys.push_back({series.name, colourOf(s, 0, false), series.points ? pointOf(s) : -1, series.line});
  }
  for (const Mark& mark : plot.xMarks) xs.push_back(mark.at);
  for (const Mark& mark : plot.yMarks) ys.push_back(mark.at);

  Drawing drawing(plot.title, keys, 70, kCurveHeight, rangeAround(plot.x, xs), rangeAround(plot.y, ys),
                  plot.xMarks);
  drawing.axisLabels(plot.xAxis, plot.yAxis);
  const Box& area = drawing.area();
  // Of the labels: clear of the axes.
  const Box inside = {area.left + 4, area.top, area.right, area.bottom - 8};
  std::vector<Box> taken;
  for (size_t s = 0; s < plot.series.size(); ++s) {
    const LinePlot::Series& series = plot.series[s];
    std::ostringstream rows;
    bool hasPoint = false;
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) {
        rows << "\n";  // an empty line is a gap
        continue;
      }
      hasPoint = true;
      rows << series.x[i] << " " << series.y[i] << "\n";
      const double x = drawing.pixelX(series.x[i]), y = drawing.pixelY(series.y[i]);
      taken.push_back({x - 5, y - 5, x + 5, y + 5});
    }
    const std::string style = series.line && series.points ? "linespoints" : series.line ? "lines" : "points";
    if (hasPoint)
      drawing.plot(rows.str(), text("with ", style, " lw 2 lc rgb ", colourOf(s, 0, false).code(),
                                    series.points ? text(" pt ", pointOf(s), " ps 1") : ""));
  }
  // Labels stay off the dashed lines, too.
  for (const Mark& mark : plot.xMarks)
    taken.push_back({drawing.pixelX(mark.at) - 1, area.top, drawing.pixelX(mark.at) + 1, area.bottom});
  for (const Mark& mark : plot.yMarks)
    taken.push_back({area.left, drawing.pixelY(mark.at) - 1, area.right, drawing.pixelY(mark.at) + 1});
  for (const LinePlot::Series& series : plot.series)
    for (size_t i = 0; i < series.labels.size(); ++i) {
      if (series.labels[i].empty() || !std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
      const std::string label = shortened(series.labels[i]);
      const Box box =
          placeLabel(drawing.pixelX(series.x[i]), drawing.pixelY(series.y[i]), widthOf(label), inside, taken);
      taken.push_back(box);
      drawing.write((box.left + box.right) / 2, (box.top + box.bottom) / 2, label, Align::centre);
    }
  for (const Mark& mark : plot.yMarks) {
    drawing.dash(area.left, drawing.pixelY(mark.at), area.right, drawing.pixelY(mark.at));
    drawing.write(area.left + 6, drawing.pixelY(mark.at) - 9, mark.label, Align::left);
  }
  return drawing.svg();
}

}  // namespace rdi::train
