// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/nearest_name.hpp"

#include <algorithm>

namespace rdi {
namespace {

// Damerau's distance, restricted: no letter is moved twice.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> least(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        least[i][j] = i + j;
        continue;
      }
      least[i][j] =
          std::min({least[i - 1][j] + 1, least[i][j - 1] + 1, least[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        least[i][j] = std::min(least[i][j], least[i - 2][j - 2] + 1);
    }
  return least[a.size()][b.size()];
}

}  // namespace

std::string nearestName(const std::string& found, const std::vector<std::string>& known) {
  std::string best;
  size_t least = std::max<size_t>(2, found.size() / 3) + 1;
  for (const std::string& name : known) {
    const size_t now = distance(found, name);
    if (now < least) least = now, best = name;
  }
  return best;
}

std::string didYouMean(const std::string& found, const std::vector<std::string>& known) {
  const std::string nearest = nearestName(found, known);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

}  // namespace rdi
