// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace rdi::train {

/// A square of values, each side from -1 to 1.
struct HeatMap {
  std::string title;
  size_t side = 0;             // 2 or more
  std::vector<double> values;  // side x side, row by row from the lowest
};

/// Heat maps in rows of `columns`, each with colours from its own least value to its largest, which are
/// written below its title.
struct HeatMaps {
  std::string title, xAxis, yAxis;
  size_t columns = 1;
  std::vector<HeatMap> maps;
};

/// The figure as an <svg> element, as draw() in trainer/plot.hpp gives one.
std::string draw(const HeatMaps& figure);

}  // namespace rdi::train
