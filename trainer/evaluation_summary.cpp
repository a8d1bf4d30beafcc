// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluation_summary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/error.hpp"

namespace rdi::train {

AverageCost averageCost(const std::vector<graph::ExitCost>& costs, const std::vector<double>& shares) {
  AverageCost result;
  result.paidFraction = graph::paidFraction(costs, shares);
  result.paperFraction = graph::paperFraction(costs, shares);
  for (size_t k = 0; k < costs.size(); ++k) {
    result.paidMmac += shares[k] * static_cast<double>(costs[k].paid.total()) / 1e6;
    result.paidMi += shares[k] * static_cast<double>(costs[k].paid.conv) / (1024.0 * 1024.0);
    result.paperMi += shares[k] * costs[k].paperMi();
  }
  return result;
}

AverageCost cleanCost(const Evaluation& evaluation) {
  const auto never = [](float threshold) { return threshold == -std::numeric_limits<float>::infinity(); };
  const std::vector<float>& thresholds = evaluation.rule.thresholds;
  if (!std::all_of(thresholds.begin(), thresholds.end(), never))
    return averageCost(evaluation.costs, evaluation.rows[0].outcome.shares);
  graph::ExitCost only = evaluation.costs.back();
  only.paid = only.own;
  return averageCost({only}, {1});
}

std::string inPixelSteps(double length) {
  const double steps = length * 255, whole = std::round(steps);
  // Large ones are rather meant as they are: 1, not 255/255.
  const bool isWhole = whole >= 1 && whole < 128 && std::abs(steps - whole) < 0.01;
  return isWhole ? text(whole, "/255") : text(length);
}

std::string nameOf(const Radius& radius) { return radius.norm + " " + inPixelSteps(radius.epsilon); }

std::vector<Radius> radiiOf(const Evaluation& evaluation) {
  std::vector<Radius> radii;
  for (const EvaluationRow& row : evaluation.rows) {
    const auto norm = row.settings.find("norm"), epsilon = row.settings.find("epsilon");
    if (!row.inBall || norm == row.settings.end() || epsilon == row.settings.end()) continue;
    if (!norm->is_string() || !epsilon->is_number()) continue;
    const Radius radius = {norm->get<std::string>(), epsilon->get<double>()};
    if (std::find(radii.begin(), radii.end(), radius) == radii.end()) radii.push_back(radius);
  }
  return radii;
}

EvaluationSummary summarize(const Evaluation& evaluation) {
  EvaluationSummary result;
  result.unionAccuracy = evaluation.unionAccuracy();
  const auto keep = [&](std::optional<size_t>& best, size_t row, bool isBetter) {
    if (!best || isBetter) best = row;
  };
  const auto accuracy = [&](size_t row) { return evaluation.rows[row].outcome.accuracy; };
  const auto paid = [&](size_t row) {
    return graph::paidFraction(evaluation.costs, evaluation.rows[row].outcome.shares);
  };
  for (size_t i = 0; i < evaluation.rows.size(); ++i) {
    const EvaluationRow& row = evaluation.rows[i];
    result.unionRows += row.inBall;
    if (row.family == Family::paper) {
      ++result.paperForms;
      keep(result.paperWorst, i, result.paperWorst && accuracy(i) < accuracy(*result.paperWorst));
    }
    if (row.family == Family::adaptive) {
      // Where only survivors were tried, accuracy is that of all attacks so far, not of this one.
      const bool beats =
          result.adaptiveWorst && (row.onlySurvivors == evaluation.rows[*result.adaptiveWorst].onlySurvivors
                                       ? accuracy(i) < accuracy(*result.adaptiveWorst)
                                       : !row.onlySurvivors);
      keep(result.adaptiveWorst, i, beats);
    }
    if (row.family == Family::slowdown)
      keep(result.slowdown, i, result.slowdown && paid(i) > paid(*result.slowdown));
    const double forced = row.outcome.accuracyForced.back();
    if (i == 0) result.mainForced = forced;
    if (i > 0 && row.inBall && !row.onlySurvivors && std::isfinite(forced))
      result.mainForcedWorst = std::min(forced, result.mainForcedWorst.value_or(1));
  }
  return result;
}

std::vector<size_t> rowsToLookAt(const Evaluation& evaluation) {
  const EvaluationSummary summary = summarize(evaluation);
  std::vector<size_t> rows = {0};
  for (const auto& row : {summary.paperWorst, summary.adaptiveWorst, summary.slowdown})
    if (row) rows.push_back(*row);
  return rows;
}

double standardError(double share, int64_t count) {
  return count > 0 ? std::sqrt(share * (1 - share) / static_cast<double>(count)) : 0;
}

}  // namespace rdi::train
