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

}  // namespace

double binomialAtMost(int64_t successes, int64_t trials, double probability) {
  if (successes < 0) return 0;
  if (successes >= trials || probability <= 0) return 1;
  if (probability >= 1) return 0;
  const auto n = static_cast<double>(trials);
  double total = 0;
  for (int64_t k = 0; k <= successes; ++k) {
    const auto x = static_cast<double>(k);
    total += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) +
                      x * std::log(probability) + (n - x) * std::log1p(-probability));
  }
  return std::min(total, 1.0);
}

int64_t lossesAllowed(int64_t images, double maxRisk, double confidence) {
  checkDemand(maxRisk, confidence);
  int64_t lost = -1;
  while (binomialAtMost(lost + 1, images, maxRisk) <= 1 - confidence) ++lost;
  return lost;
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
