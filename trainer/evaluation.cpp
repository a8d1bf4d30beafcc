// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluation.hpp"

#include <array>
#include <utility>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

constexpr std::array<std::pair<Family, const char*>, 6> kFamilies = {{{Family::clean, "clean"},
                                                                      {Family::paper, "paper"},
                                                                      {Family::simple, "simple"},
                                                                      {Family::adaptive, "adaptive"},
                                                                      {Family::blackBox, "black-box"},
                                                                      {Family::slowdown, "slowdown"}}};

}  // namespace

std::string nameOf(Family family) {
  for (const auto& [known, name] : kFamilies)
    if (known == family) return name;
  return "";
}

Family familyFromName(const std::string& name) {
  for (const auto& [family, known] : kFamilies)
    if (name == known) return family;
  throw Error(text("family \"", name,
                   "\" is not known; known are clean, paper, simple, adaptive, black-box and slowdown"));
}

size_t Evaluation::worst(Family family) const {
  size_t result = 0;
  for (size_t i = 1; i < rows.size(); ++i)
    if (rows[i].family == family && (result == 0 || rows[i].outcome.accuracy < rows[result].outcome.accuracy))
      result = i;
  return result;
}

double Evaluation::unionAccuracy() const {
  if (rows.empty() || imageCount == 0) return 0;
  int64_t right = 0;
  for (int64_t i = 0; i < imageCount; ++i) {
    bool isRight = true;
    for (const EvaluationRow& row : rows)
      isRight = isRight && (!row.inBall || row.outcome.right[static_cast<size_t>(i)]);
    right += isRight;
  }
  return static_cast<double>(right) / static_cast<double>(imageCount);
}

double efficacy(const std::vector<graph::ExitCost>& costs, const std::vector<double>& shares) {
  const auto full = static_cast<double>(costs.back().paid.total());
  double area = 0, left = 0, spent = 0;
  for (size_t k = 0; k < costs.size(); ++k) {
    const double nowSpent = static_cast<double>(costs[k].paid.total()) / full;
    area += (nowSpent - spent) * (left + shares[k] / 2);
    spent = nowSpent;
    left += shares[k];
  }
  return area;
}

}  // namespace rdi::train
