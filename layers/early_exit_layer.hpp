// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#include "graph/exit_rule.hpp"
#include "graph/operating_points.hpp"

namespace rdi {

/// State of a row that has not left yet; otherwise the state is the index (0-based) of the exit it took.
constexpr float kUndecided = -1.0f;

/// RdiEarlyExit: lets rows leave whose fused scores are sure enough (graph::leavesAt).
///
/// Inputs: class scores of the exits reached so far, each N x classes, then, but for the first gate, the
/// previous gate's state. Output: the state, N x 1. blobs[0] holds the threshold and is read at every
/// forward, so net.setParam applies at once; the main exit has none and takes every row that is left.
class EarlyExitLayer : public cv::dnn::Layer {
public:
  explicit EarlyExitLayer(const cv::dnn::LayerParams& params);

  bool getMemoryShapes(const std::vector<cv::dnn::MatShape>& inputs, int requiredOutputs,
                       std::vector<cv::dnn::MatShape>& outputs,
                       std::vector<cv::dnn::MatShape>& internals) const override;
  void finalize(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays outputs) override;
  void forward(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays outputs,
               cv::OutputArrayOfArrays internals) override;

  const std::string& exitName() const { return exitName_; }
  int index() const { return index_; }
  bool isMain() const { return main_; }
  double paidMacs() const { return paidMacs_; }
  double ownMacs() const { return ownMacs_; }
  double ownConvMacs() const { return ownConvMacs_; }

  /// The threshold in blobs[0]; throws a cv::Exception when it is not one float, or NaN. Not for the main
  /// exit.
  float threshold() const;

  /// The rules that the file offers by name, `default` among them; only the main exit knows them.
  const std::vector<graph::OperatingPoint>& operatingPoints() const { return points_; }

  /// Decides by criterion, fusion and patience of this rule from the next forward; thresholds are blobs.
  void setRule(const graph::ExitRule& rule);

  /// State of every row after the last forward; empty before the first.
  const std::vector<int>& lastStates() const { return lastStates_; }

private:
  size_t scoreCount() const { return static_cast<size_t>(index_) + 1; }

  graph::ExitRule rule_;
  std::vector<graph::OperatingPoint> points_;
  std::string exitName_;
  int index_ = 0;
  bool main_ = false;
  double paidMacs_ = 0, ownMacs_ = 0, ownConvMacs_ = 0;
  std::vector<const float*> rowScores_;  // scores of one row, by exit
  std::vector<float> scratch_;           // 2 * classes
  std::vector<int> lastStates_;
};

}  // namespace rdi
