// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/dnn.hpp>
#include <vector>

#include "graph/exit_rule.hpp"

namespace rdi {

/// RdiSelect: the scores of the exit that each row took, fused as the exits were judged (graph::fuseScores).
///
/// Inputs: the last gate's state (N x 1), then the scores of every exit (N x classes). Output: N x classes.
class SelectLayer : public cv::dnn::Layer {
public:
  explicit SelectLayer(const cv::dnn::LayerParams& params);

  bool getMemoryShapes(const std::vector<cv::dnn::MatShape>& inputs, int requiredOutputs,
                       std::vector<cv::dnn::MatShape>& outputs,
                       std::vector<cv::dnn::MatShape>& internals) const override;
  void finalize(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays outputs) override;
  void forward(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays outputs,
               cv::OutputArrayOfArrays internals) override;

  /// How exits answer from the next forward.
  void setFusion(graph::Fusion fusion) { fusion_ = fusion; }

private:
  graph::Fusion fusion_ = graph::Fusion::last;
  graph::Scores scores_ = graph::Scores::logits;
  std::vector<const float*> rowScores_;  // scores of one row, by exit
};

}  // namespace rdi
