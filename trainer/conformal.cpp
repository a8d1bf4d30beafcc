// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/conformal.hpp"

#include <algorithm>
#include <cmath>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

void checkDemand(double maxRisk, double confidence) {
  if (!(maxRisk > 0 && maxRisk < 1))
    throw Error(text("risk: found a largest risk of ", maxRisk, ", expected above 0 and below 1"));
  if (!(confidence > 0 && confidence < 1))
    throw Error(text("risk: found a confidence of ", confidence, ", expected above 0 and below 1"));
}

double binomialExactly(int64_t successes, int64_t trials, double probability) {
  if (probability >= 1) return successes == trials;
  const auto n = static_cast<double>(trials), k = static_cast<double>(successes);
  return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) +
                  k * std::log(probability) + (n - k) * std::log1p(-probability));
}

}  // namespace

double binomialAtMost(int64_t successes, int64_t trials, double probability) {
  if (successes < 0) return 0;
  if (successes >= trials || probability <= 0) return 1;
  double total = 0;
  for (int64_t k = 0; k <= successes; ++k) total += binomialExactly(k, trials, probability);
  return std::min(total, 1.0);
}

int64_t lossesAllowed(int64_t images, double maxRisk, double confidence) {
  checkDemand(maxRisk, confidence);
  double total = 0;
  for (int64_t lost = 0; lost <= images; ++lost) {
    total += binomialExactly(lost, images, maxRisk);
    if (total > 1 - confidence) return lost - 1;
  }
  return -1;  // no images at all
}

int64_t imagesNeeded(double maxRisk, double confidence) {
  checkDemand(maxRisk, confidence);
  return static_cast<int64_t>(std::ceil(std::log(1 - confidence) / std::log1p(-maxRisk)));
}

size_t provenChoices(const std::vector<int64_t>& lost, int64_t images, double maxRisk, double confidence) {
  const int64_t allowed = lossesAllowed(images, maxRisk, confidence);
  const auto failed = std::find_if(lost.begin(), lost.end(), [&](int64_t count) { return count > allowed; });
  return static_cast<size_t>(failed - lost.begin());
}

}  // namespace rdi::train
