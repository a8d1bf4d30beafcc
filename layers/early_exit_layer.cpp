// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/early_exit_layer.hpp"

#include <cmath>

#include "graph/error.hpp"
#include "layers/blobs.hpp"
#include "layers/layer_text.hpp"

namespace rdi {

using cv::dnn::MatShape;

namespace {

constexpr char kPoints[] = "operating_points";

std::vector<graph::OperatingPoint> readPoints(const cv::dnn::Layer& layer, const std::string& value,
                                              size_t exitCount) {
  try {
    const auto points = graph::pointsFromJson(nlohmann::json::parse(value));
    for (const graph::OperatingPoint& point : points) graph::checkRule(point.rule, exitCount);
    return points;
  } catch (const std::exception& error) {
    fail(layer, text("attribute ", kPoints, " cannot be read: ", error.what()));
  }
}

}  // namespace

EarlyExitLayer::EarlyExitLayer(const cv::dnn::LayerParams& params) {
  setParamsFrom(params);
  index_ = intAttribute(params, "index");
  main_ = params.has("main") && intAttribute(params, "main") != 0;
  exitName_ = textAttribute(params, "exit");
  rule_.patience = intAttribute(params, "patience");
  const std::string criterion = textAttribute(params, "criterion"), fusion = textAttribute(params, "fusion"),
                    scores = textAttribute(params, "scores");
  try {
    rule_.criterion = graph::criterionFromName(criterion);
    rule_.fusion = graph::fusionFromName(fusion);
    rule_.scores = graph::scoresFromName(scores);
  } catch (const Error& error) {
    fail(*this, error.what());
  }
  if (index_ < 0) fail(*this, text("index is ", index_, ", expected at least 0"));
  if (rule_.patience < 1) fail(*this, text("patience is ", rule_.patience, ", expected at least 1"));
  if (!main_ && blobs.size() != 1)
    fail(*this, text(blobs.size(), " constant inputs, expected one: the threshold"));
  if (main_ && params.has(kPoints)) points_ = readPoints(*this, textAttribute(params, kPoints), scoreCount());
  paidMacs_ = countAttribute(params, "paid_macs");
  ownMacs_ = countAttribute(params, "own_macs");
  ownConvMacs_ = countAttribute(params, "own_conv_macs");
}

bool EarlyExitLayer::getMemoryShapes(const std::vector<MatShape>& inputs, int, std::vector<MatShape>& outputs,
                                     std::vector<MatShape>&) const {
  const size_t expected = scoreCount() + (index_ > 0 ? 1 : 0);
  if (inputs.size() != expected)
    fail(*this, text(inputs.size(), " inputs, expected ", expected, ": scores of ", scoreCount(), " exits",
                     index_ > 0 ? " and the previous exit's state" : ""));
  const MatShape& scores = inputs[0];
  if (scores.size() != 2 || scores[0] < 1 || scores[1] < 1)
    fail(*this, text("input 1 is ", toString(scores), ", expected N x classes"));
  for (size_t i = 1; i < inputs.size(); ++i) {
    const MatShape wanted = i < scoreCount() ? scores : MatShape{scores[0], 1};
    if (inputs[i] != wanted)
      fail(*this, text("input ", i + 1, " is ", toString(inputs[i]), ", expected ", toString(wanted)));
  }
  outputs.assign(1, MatShape{scores[0], 1});
  return false;
}

void EarlyExitLayer::finalize(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays) {
  std::vector<cv::Mat> blobsIn;
  inputs.getMatVector(blobsIn);
  rowScores_.resize(scoreCount());
  scratch_.resize(2 * static_cast<size_t>(blobsIn.at(0).size[1]));
  lastStates_.clear();
  lastStates_.reserve(static_cast<size_t>(blobsIn[0].size[0]));
}

void EarlyExitLayer::setRule(const graph::ExitRule& rule) {
  rule_.criterion = rule.criterion;
  rule_.fusion = rule.fusion;
  rule_.patience = rule.patience;
}

float EarlyExitLayer::threshold() const {
  if (blobs.size() != 1 || blobs[0].total() != 1 || blobs[0].type() != CV_32F)
    fail(*this, text("the threshold (parameter 0) has ", blobs.empty() ? 0 : blobs[0].total(),
                     " values, expected 1 of type float32"));
  const float value = *blobs[0].ptr<float>();
  if (std::isnan(value))
    fail(*this, "the threshold (parameter 0) is NaN; give a number, +infinity or -infinity");
  return value;
}

void EarlyExitLayer::forward(cv::InputArrayOfArrays inputBlobs, cv::OutputArrayOfArrays outputBlobs,
                             cv::OutputArrayOfArrays) {
  std::vector<cv::Mat> inputStorage, outputStorage;
  const std::vector<cv::Mat>& inputs = blobsOf(*this, inputBlobs, inputStorage);
  const std::vector<cv::Mat>& outputs = blobsOf(*this, outputBlobs, outputStorage);

  const int rowCount = inputs[0].size[0], classCount = inputs[0].size[1];
  const float limit = main_ ? 0.0f : threshold();
  const float* before = index_ > 0 ? inputs.back().ptr<float>() : nullptr;
  float* state = rowOf(outputs[0], 0);
  for (int row = 0; row < rowCount; ++row) {
    if (before != nullptr && before[row] >= 0) {
      state[row] = before[row];
      continue;
    }
    for (size_t exit = 0; exit < scoreCount(); ++exit) rowScores_[exit] = inputs[exit].ptr<float>(row);
    const bool leaves =
        main_ || graph::leavesAt(rowScores_.data(), index_, classCount, rule_, limit, scratch_.data());
    state[row] = leaves ? static_cast<float>(index_) : kUndecided;
  }
  lastStates_.assign(state, state + rowCount);
}

}  // namespace rdi
