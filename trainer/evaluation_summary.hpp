// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainer/evaluation.hpp"

namespace rdi::train {

/// What an image costs on average, in both accountings (graph/cost.hpp).
struct AverageCost {
  double paidFraction = 0, paperFraction = 0;  // of the static net; 1 = no saving
  double paidMmac = 0;                         // convolutions and linear layers, millions of MAC
  double paidMi = 0, paperMi = 0;  // convolutions alone, in 2^20 MAC, for comparison with the paper
};
AverageCost averageCost(const std::vector<graph::ExitCost>& costs, const std::vector<double>& shares);

/// What the clean images cost. Where the rule never leaves early, nobody needs the early heads: that is the
/// static net, at 100 %.
AverageCost cleanCost(const Evaluation& evaluation);

/// How far the attacks that count for the union may change an image.
struct Radius {
  std::string norm;
  double epsilon = 0;  // in [0,1] pixel units

  bool operator==(const Radius& other) const { return norm == other.norm && epsilon == other.epsilon; }
  bool operator!=(const Radius& other) const { return !(*this == other); }
};

/// 0.0314 -> "8/255", 0.3 -> "0.3": a length in [0,1] as people write it.
std::string inPixelSteps(double length);

/// "linf 8/255", "l2 0.5".
std::string nameOf(const Radius& radius);

/// The radii that settings `norm` and `epsilon` of the rows name, each once; an evaluation has one, or none
/// when nothing was attacked.
std::vector<Radius> radiiOf(const Evaluation& evaluation);

/// The figures that people compare; rows by their index.
struct EvaluationSummary {
  double unionAccuracy = 0;
  size_t unionRows = 0;                   // rows that it is over, the clean one too
  size_t paperForms = 0;                  // rows of the family paper
  std::optional<size_t> paperWorst;       // least accurate of them
  std::optional<size_t> adaptiveWorst;    // of the adaptive ones; one tried on all images, if there is
  std::optional<size_t> slowdown;         // dearest of the family slowdown
  double mainForced = 0;                  // accuracy when every image goes to the main exit: clean
  std::optional<double> mainForcedWorst;  // and the least of any row in the ball tried on all images
};
EvaluationSummary summarize(const Evaluation& evaluation);

/// The rows whose pictures people look at: clean and the worst of each kind of attack.
std::vector<size_t> rowsToLookAt(const Evaluation& evaluation);

/// Standard error of a share measured on so many images.
double standardError(double share, int64_t count);

}  // namespace rdi::train
