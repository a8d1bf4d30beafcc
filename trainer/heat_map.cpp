// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/heat_map.hpp"

#include <algorithm>
#include <sstream>

#include "graph/error.hpp"
#include "trainer/drawing.hpp"
#include "trainer/gnuplot.hpp"

namespace rdi::train {
namespace {

constexpr double kTop = 32, kHead = 44, kFoot = 46, kLeft = 56, kGap = 18;  // pixels
// Viridis, told apart by colour-blind people and in grey.
constexpr char kPalette[] =
    "set palette defined (0 '#440154', 1 '#3b528b', 2 '#21918c', 3 '#5ec962', 4 '#fde725')\n";

void check(const HeatMap& map) {
  if (map.side < 2 || map.values.size() != map.side * map.side)
    throw Error(text("heat map \"", map.title, "\" has ", map.values.size(), " values, expected ", map.side,
                     " x ", map.side));
}

std::string rangeOf(const HeatMap& map) {
  const auto [least, most] = std::minmax_element(map.values.begin(), map.values.end());
  std::ostringstream range;
  range.precision(3);
  range << *least << " to " << *most;
  return range.str();
}

}  // namespace

std::string draw(const HeatMaps& figure) {
  const size_t columns = std::max<size_t>(1, figure.columns);
  const size_t rows = (figure.maps.size() + columns - 1) / columns;
  const double cell = (kDrawingWidth - kLeft) / static_cast<double>(columns),
               size = std::min(cell - kGap, 360.0);
  const double rowHeight = kHead + size + kFoot, height = kTop + rowHeight * static_cast<double>(rows);
  const auto screenX = [&](double x) { return text(x / kDrawingWidth); };
  const auto screenY = [&](double y) { return text(1 - y / height); };

  std::ostringstream script;
  script << "set terminal svg size " << kDrawingWidth << "," << height
         << " noenhanced font 'sans-serif,13'\nset encoding utf8\nset multiplot\nunset key\nunset colorbox\n"
         << kPalette << "set border 15 lw 0.7\nset tics nomirror scale 0.4\nset xtics -1,1,1\n";
  for (size_t i = 0; i < figure.maps.size(); ++i) {
    const HeatMap& map = figure.maps[i];
    check(map);
    const double left = kLeft + cell * static_cast<double>(i % columns);
    const double top = kTop + rowHeight * static_cast<double>(i / columns) + kHead;
    const double half = 1.0 / static_cast<double>(map.side - 1);  // pixels are centred on their values
    script << "$map" << i << " << EOD\n";
    for (size_t v = 0; v < map.values.size(); ++v)
      script << 2 * half * static_cast<double>(v % map.side) - 1 << " "
             << 2 * half * static_cast<double>(v / map.side) - 1 << " " << map.values[v] << "\n";
    script << "EOD\nunset label\n";
    const auto write = [&](double x, double y, const std::string& words, const char* align) {
      script << "set label " << gnuplotString(words) << " at screen " << screenX(x) << "," << screenY(y)
             << " " << align << "\n";
    };
    if (i == 0) write(kLeft, 14, figure.title, "left");
    write(left, top - 28, map.title, "left");
    write(left, top - 11, rangeOf(map), "left");
    write(left + size / 2, top + size + 34, figure.xAxis, "center");
    script << "set lmargin at screen " << screenX(left) << "\nset rmargin at screen " << screenX(left + size)
           << "\nset tmargin at screen " << screenY(top) << "\nset bmargin at screen " << screenY(top + size)
           << "\nset xrange [" << -1 - half << ":" << 1 + half << "]\nset yrange [" << -1 - half << ":"
           << 1 + half << "]\n";
    if (i % columns == 0)
      script << "set ytics -1,1,1\nset ylabel " << gnuplotString(figure.yAxis) << "\n";
    else
      script << "set ytics ('' -1, '' 0, '' 1)\nunset ylabel\n";
    script << "plot $map" << i << " using 1:2:3 with image pixels\n";
  }
  return svgElement(forAPage(runGnuplot(script.str()), figure.title), figure.title, kDrawingWidth, height);
}

}  // namespace rdi::train
