// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#include "graph/exit_rule.hpp"

namespace rdi::test {

/// A zoo net in which every weight takes part: random, activations neither vanish nor explode.
onnx::ModelProto zooModel(const std::string& architecture);

/// The early-exit file of a multi-exit model; thresholds of -infinity when the rule has none.
onnx::ModelProto earlyExitModel(const onnx::ModelProto& model, graph::ExitRule rule = {},
                                const std::string& engine = "auto");

/// Loads a model as cv::dnn::readNet does.
cv::dnn::Net load(const onnx::ModelProto& model);

/// Reproducible pictures in 0 .. 1 as the model wants them, batch first.
cv::Mat pictures(const onnx::ModelProto& model, int count, uint32_t seed = 1);

/// Row `index` of a blob as a batch of one, sharing its data.
cv::Mat row(const cv::Mat& blob, int index);

/// All values of a blob.
std::vector<float> valuesOf(const cv::Mat& blob);

/// The layer of a net by its ONNX node name.
template <typename Type>
cv::Ptr<Type> layerOf(const cv::dnn::Net& net, const std::string& node) {
  return net.getLayer(net.getLayerId("onnx_node!" + node)).dynamicCast<Type>();
}

/// Restores cv::setNumThreads when it goes.
class Threads {
public:
  explicit Threads(int count) : before_(cv::getNumThreads()) { cv::setNumThreads(count); }
  ~Threads() { cv::setNumThreads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

private:
  int before_;
};

}  // namespace rdi::test
