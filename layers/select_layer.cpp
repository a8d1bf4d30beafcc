// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/select_layer.hpp"

#include "graph/error.hpp"
#include "layers/blobs.hpp"
#include "layers/layer_text.hpp"

namespace rdi {

using cv::dnn::MatShape;

SelectLayer::SelectLayer(const cv::dnn::LayerParams& params) {
  setParamsFrom(params);
  const std::string fusion = textAttribute(params, "fusion"), scores = textAttribute(params, "scores");
  try {
    fusion_ = graph::fusionFromName(fusion);
    scores_ = graph::scoresFromName(scores);
  } catch (const Error& error) {
    fail(*this, error.what());
  }
}

bool SelectLayer::getMemoryShapes(const std::vector<MatShape>& inputs, int, std::vector<MatShape>& outputs,
                                  std::vector<MatShape>&) const {
  if (inputs.size() < 2)
    fail(*this, text(inputs.size(), " inputs, expected the exit state and the scores of each exit"));
  const MatShape& scores = inputs[1];
  if (scores.size() != 2 || scores[0] < 1 || scores[1] < 1)
    fail(*this, text("input 2 is ", toString(scores), ", expected N x classes"));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const MatShape wanted = i == 0 ? MatShape{scores[0], 1} : scores;
    if (inputs[i] != wanted)
      fail(*this, text("input ", i + 1, " is ", toString(inputs[i]), ", expected ", toString(wanted)));
  }
  outputs.assign(1, scores);
  return false;
}

void SelectLayer::finalize(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays) {
  std::vector<cv::Mat> blobsIn;
  inputs.getMatVector(blobsIn);
  rowScores_.resize(blobsIn.size() - 1);
}

void SelectLayer::forward(cv::InputArrayOfArrays inputBlobs, cv::OutputArrayOfArrays outputBlobs,
                          cv::OutputArrayOfArrays) {
  std::vector<cv::Mat> inputStorage, outputStorage;
  const std::vector<cv::Mat>& inputs = blobsOf(*this, inputBlobs, inputStorage);
  const std::vector<cv::Mat>& outputs = blobsOf(*this, outputBlobs, outputStorage);

  const float* state = inputs[0].ptr<float>();
  for (int row = 0; row < outputs[0].size[0]; ++row) {
    if (!(state[row] >= 0 && state[row] < static_cast<float>(rowScores_.size())))
      fail(*this,
           text("row ", row, " has exit state ", state[row], ", expected 0 to ", rowScores_.size() - 1));
    const int exit = static_cast<int>(state[row]);
    for (size_t i = 0; i <= static_cast<size_t>(exit); ++i) rowScores_[i] = inputs[i + 1].ptr<float>(row);
    graph::fuseScores(rowScores_.data(), exit, outputs[0].size[1], fusion_, scores_, rowOf(outputs[0], row));
  }
}

}  // namespace rdi
