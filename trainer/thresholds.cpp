// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/thresholds.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "trainer/decisions.hpp"

namespace rdi::train {

std::vector<float> equalShares(const ScoreTable& images, const graph::ExitRule& rule) {
  return givenShares(images, rule, std::vector<double>(static_cast<size_t>(images.exitCount), 1.0));
}

std::vector<float> givenShares(const ScoreTable& images, const graph::ExitRule& rule,
                               const std::vector<double>& shares) {
  const Decisions decisions = decisionsOf(images, rule);
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::vector<size_t> left(decisions.count);
  for (size_t i = 0; i < left.size(); ++i) left[i] = i;
  std::vector<float> thresholds;
  for (size_t k = 0; k + 1 < decisions.exitCount; ++k) {
    const auto share = static_cast<size_t>(static_cast<double>(decisions.count) * shares[k] / sum);
    const auto uncertaintyOf = [&](size_t image) { return decisions.uncertainty[decisions.at(image, k)]; };
    std::stable_sort(left.begin(), left.end(),
                     [&](size_t a, size_t b) { return uncertaintyOf(a) < uncertaintyOf(b); });
    const float threshold =
        share < left.size() ? uncertaintyOf(left[share]) : std::numeric_limits<float>::infinity();
    thresholds.push_back(threshold);
    left.erase(
        std::remove_if(left.begin(), left.end(), [&](size_t i) { return uncertaintyOf(i) < threshold; }),
        left.end());
  }
  return thresholds;
}

}  // namespace rdi::train
