// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/dnn.hpp>
#include <rdi/rdi.hpp>
#include <string>
#include <vector>

/// What the net says about one picture.
struct Answer {
  int classId = 0;
  float confidence = 0;  // probability of that class
  int exit = 0;          // 0-based; the last one is the main exit
};

/// An early-exit net and what it has cost so far. Only rdi.hpp and plain OpenCV are used.
class Classifier {
public:
  /// Answers by the file's operating point of this name; empty = by what the file answers by. Throws
  /// std::runtime_error with the file's name when it cannot be loaded, has no exits or no such point.
  explicit Classifier(const std::string& modelPath, const std::string& operatingPoint = "");

  /// `image` is 8-bit, BGR or grey, of any size.
  Answer classify(const cv::Mat& image);

  /// Scores a picture gets. Runs the net once; counts as no answer.
  int classCount();
  std::string className(int classId) const;  // its number when the file names no classes
  const std::vector<rdi::ExitInfo>& exits() const { return exits_; }
  const rdi::ModelInfo& info() const { return info_; }

  /// Cost of one answer relative to the static net: 1 is the same, below 1 is cheaper.
  double cost(const Answer& answer) const;
  /// The mean cost of all answers so far is this much below the static net's: 0.25 = a quarter less.
  double runningSaving() const;

private:
  cv::dnn::Net net_;
  rdi::ModelInfo info_;
  std::vector<rdi::ExitInfo> exits_;
  double costSum_ = 0;
  int answers_ = 0;
};

/// readNet for a file of an early-exit or a static net; throws std::runtime_error with the file's name.
cv::dnn::Net loadNet(const std::string& path);

/// Class and confidence of one row of scores, which are probabilities already or else logits.
Answer readScores(const float* scores, int classCount);
