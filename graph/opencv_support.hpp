// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

namespace rdi::graph {

/// Why OpenCV's own engine cannot run a stage (batch 1, all shapes recorded), naming the first operator and
/// node that it lacks or gets wrong; empty when it can. Says yes to what OpenCV 4.6 and newer compute right
/// once layers/engine/opencv_dialect.hpp has put it into their words.
std::string whyNotOpenCv(const onnx::ModelProto& stage);

/// The operators that it can run in some form or other.
std::vector<std::string> openCvOperators();

}  // namespace rdi::graph
