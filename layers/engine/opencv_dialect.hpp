// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

namespace rdi::engine {

/// The same stage in words that OpenCV's importer (4.6 and later) understands, where it would otherwise
/// refuse it or, without a word, compute something else: Clip with its bounds as attributes, Gemm without
/// scales and with weights {out, in}, AveragePool that counts its pads as a Pad before it, pads in numbers,
/// HardSigmoid in three steps, Squeeze and Unsqueeze as Reshape, operands of arithmetic in the order and
/// shapes that it broadcasts. This file alone knows of OpenCV's releases; what no wording helps is refused by
/// graph/opencv_support.hpp.
onnx::ModelProto inOpenCvDialect(const onnx::ModelProto& stage);

}  // namespace rdi::engine
