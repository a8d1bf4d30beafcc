// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "graph/shapes.hpp"

namespace rdi::test {

/// Why ONNX Runtime cannot be asked, and what to do about it; empty when it can: node and its package
/// onnxruntime-node are there.
std::string whyNoOnnxRuntime();

/// All outputs of a model, one row of `values` at a time, as ONNX Runtime computes them: row by row, output
/// by output. `shape` is that of `values`, batch first. Throws std::runtime_error with what ONNX Runtime
/// says.
std::vector<float> runOnnxRuntime(const onnx::ModelProto& model, const graph::Shape& shape,
                                  const std::vector<float>& values);

}  // namespace rdi::test
