// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/deployed_file.hpp"
#include "trainer/deployed_net.hpp"
#include "trainer/score_table.hpp"

namespace rdi::train {

/// An image that leaves by different exits in libtorch and in cv::dnn.
struct ExitDifference {
  int64_t image = 0;
  int libtorch = 0, opencv = 0;  // exits taken, 0-based
  int decidedAt = 0;             // the earlier of them: here one left and the other did not
  float uncertainty = 0;         // there, in libtorch
  float threshold = 0;
  /// How little would have changed libtorch's mind: the distance of uncertainty and threshold or, where
  /// exits must agree, the lead of the answer's probability before the next one's when that is less.
  double distance = 0;
};

/// One set of inputs through both engines.
struct DeployedComparison {
  struct Side {
    double accuracy = 0, paid = 0, paper = 0;  // paid and paper: of the static net's cost
    std::vector<double> shares;                // of the exits
  };

  std::string name;
  int64_t count = 0;
  Side libtorch, opencv;
  std::vector<ExitDifference> exitDifferences;
  int64_t answerDifferences = 0;
  double largestScoreDifference = 0;      // of images that leave by the same exit
  double largestRelativeDifference = 0;   // the same, in units of the image's largest score, at least 1
  int64_t imageOfLargestDifference = -1;  // of the relative one
};

/// `libtorch` holds logits of every exit; `opencv` what the file's net gave for the same images. Throws
/// rdi::Error when they do not fit each other.
DeployedComparison compareDeployed(const std::string& name, const ScoreTable& libtorch,
                                   const DeployedAnswers& opencv, const DeployedFile& file);

/// How far an uncertainty can move by the rounding that was seen: the largest difference of scores among
/// images that left by the same exit, times a bound of every criterion's slope.
double roundingOf(const std::vector<DeployedComparison>& comparisons, const DeployedFile& file);

/// What is not explained by rounding, one line each; empty when all is well. Scores may differ by `tolerance`
/// of an image's largest score (at least 1), and another exit may be taken only within `rounding`.
std::vector<std::string> unexplained(const std::vector<DeployedComparison>& comparisons,
                                     const DeployedFile& file, double tolerance, double rounding);

/// For a terminal: a line a set, then a line for each of the first images that leave by another exit.
std::string toTable(const std::vector<DeployedComparison>& comparisons, const DeployedFile& file,
                    double rounding);

nlohmann::json toJson(const std::vector<DeployedComparison>& comparisons, const DeployedFile& file,
                      double rounding);

}  // namespace rdi::train
