// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

namespace rdi::bench {

/// A multi-exit net of the zoo with random weights, none of them zero: equal outputs mean something.
onnx::ModelProto randomModel(const std::string& architecture);

/// One exit as a plain net that OpenCV's own engine runs.
cv::dnn::Net staticNet(const onnx::ModelProto& model, const std::string& exit);

/// The main exit alone in this project's engine: the same computation as staticNet(model, main).
cv::dnn::Net staticNetInOurEngine(const onnx::ModelProto& model);

/// All exits of the model.
cv::dnn::Net earlyExitNet(const onnx::ModelProto& model);

/// Nothing but the first stage and the first branch of earlyExitNet: the least that leaving at exit 1 can
/// cost.
cv::dnn::Net firstStepNet(const onnx::ModelProto& model);

/// Every input leaves at this exit (0-based): threshold +infinity there, -infinity before.
void forceExit(cv::dnn::Net& net, size_t exit);

/// 1 x C x H x W of uniform values in [0, 1).
cv::Mat randomBlob(const onnx::ModelProto& model);

/// Throws rdi::Error naming `what` when the outputs differ by more than 1e-4 of the largest expected value.
void requireEqual(const std::string& what, const cv::Mat& expected, const cv::Mat& found);

}  // namespace rdi::bench
