// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "graph/error.hpp"
#include "trainer/drawing.hpp"
#include "trainer/number_format.hpp"

namespace rdi::train {
namespace {

constexpr double kCurveHeight = 360;  // pixels
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

void checkLength(const std::string& series, const char* what, size_t found, size_t expected) {
  if (found != expected)
    throw Error(text("plot: series \"", series, "\" has ", found, " ", what, ", expected ", expected));
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
  const double height = kTextLine - 4, gap = 8;
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
    checkLength(plot.series[s].name, "values", plot.series[s].values.size(), count);
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

namespace {

Drawing drawingOf(const LinePlot& plot) {
  std::vector<double> xs, ys;
  std::vector<Key> keys;
  for (size_t s = 0; s < plot.series.size(); ++s) {
    const LinePlot::Series& series = plot.series[s];
    checkLength(series.name, "values", series.y.size(), series.x.size());
    if (!series.labels.empty()) checkLength(series.name, "labels", series.labels.size(), series.x.size());
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
  // Labels stay off the dashed lines and what is written there.
  for (const Mark& mark : plot.xMarks)
    taken.push_back({drawing.pixelX(mark.at) - 1, area.top, drawing.pixelX(mark.at) + 1, area.bottom});
  for (const Mark& mark : plot.yMarks) {
    const double y = drawing.pixelY(mark.at);
    drawing.dash(area.left, y, area.right, y);
    drawing.write(area.left + 6, y - 9, mark.label, Align::left);
    taken.push_back({area.left, y - 1, area.right, y + 1});
    taken.push_back({area.left, y - kTextLine, area.left + 6 + widthOf(mark.label), y});
  }
  for (const LinePlot::Series& series : plot.series)
    for (size_t i = 0; i < series.labels.size(); ++i) {
      if (series.labels[i].empty() || !std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
      const std::string label = shortened(series.labels[i]);
      const Box box =
          placeLabel(drawing.pixelX(series.x[i]), drawing.pixelY(series.y[i]), widthOf(label), inside, taken);
      taken.push_back(box);
      drawing.write((box.left + box.right) / 2, (box.top + box.bottom) / 2, label, Align::centre);
    }
  return drawing;
}

}  // namespace

std::string draw(const LinePlot& plot) { return drawingOf(plot).svg(); }

std::string draw(const std::vector<LinePlot>& plots) {
  std::string panels, title;
  double height = 0;
  for (const LinePlot& plot : plots) {
    const Drawing drawing = drawingOf(plot);
    panels += text("<g transform=\"translate(0,", height, ")\">\n", drawing.inner(), "</g>\n");
    height += drawing.height();
    title += (title.empty() ? "" : "; ") + plot.title;
  }
  return svgElement(panels, title, kDrawingWidth, height);
}

}  // namespace rdi::train
