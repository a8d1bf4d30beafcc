// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

namespace rdi::graph {

/// Rewrites an inference graph into an equal, smaller one: Constant nodes become initializers, Identity and
/// Dropout vanish (also Identity of an initializer, which OpenCV 4.6 refuses), BatchNormalization is folded
/// into the Conv or Gemm before it where nobody else reads that Conv, Gemm and MatMul chains without
/// activation between them become one Gemm, unused initializers and nodes go, and what OpenCV 4.6 would
/// refuse is written as it reads it (Gemm weights as out x in, kernel sizes stated). Outputs keep their
/// names and what is left keeps its recorded shapes; results agree within rounding.
void simplify(onnx::ModelProto& model);

/// Removes nodes, initializers and recorded shapes that no output needs.
void removeUnused(onnx::GraphProto& graph);

}  // namespace rdi::graph
