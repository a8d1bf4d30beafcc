// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#include "graph/precision.hpp"

namespace rdi::bench {

/// A multi-exit net of the zoo with random weights, none of them zero: equal outputs mean something.
onnx::ModelProto randomModel(const std::string& architecture);

/// One exit as a plain net that OpenCV's own engine runs.
cv::dnn::Net staticNet(const onnx::ModelProto& model, const std::string& exit);

/// The main exit alone in this project's engine: the same computation as staticNet(model, main).
cv::dnn::Net staticNetInOurEngine(const onnx::ModelProto& model,
                                  graph::Precision precision = graph::Precision::float32);

/// The early-exit file of a model, all exits, thresholds of 0.
onnx::ModelProto earlyExitModel(const onnx::ModelProto& model, graph::Precision precision);

/// The same loaded. Ranges for int8 are those of a few random pictures.
cv::dnn::Net earlyExitNet(const onnx::ModelProto& model,
                          graph::Precision precision = graph::Precision::float32);

/// The same as nested `If`; like forceExit(exit), with thresholds that every input is below, or none.
onnx::ModelProto nestedIfModel(const onnx::ModelProto& model, size_t exit);

/// Nothing but the first stage and the first branch of earlyExitNet: the least that leaving at exit 1 can
/// cost.
cv::dnn::Net firstStepNet(const onnx::ModelProto& model);

/// Every input leaves at this exit (0-based): threshold +infinity there, -infinity before.
void forceExit(cv::dnn::Net& net, size_t exit);

/// `count` x C x H x W of uniform values in [0, 1).
cv::Mat randomBlob(const onnx::ModelProto& model, int count = 1);

/// What comes out for a blob, copied.
cv::Mat run(const cv::dnn::Net& net, const cv::Mat& blob);

/// Multiply-accumulates on the way to an exit, relative to the static net's.
double paidFraction(const cv::dnn::Net& net, size_t exit);

/// Throws rdi::Error naming `what` when the outputs differ by more than 1e-4 of the largest expected value.
void requireEqual(const std::string& what, const cv::Mat& expected, const cv::Mat& found);

}  // namespace rdi::bench
