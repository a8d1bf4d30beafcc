// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

namespace rdi::graph {

/// Moves Transpose operators towards the outputs until they meet their opposites and vanish, as exporters of
/// channels-last frameworks leave them around every layer: through element-by-element operators, Concat, Pad,
/// Slice, reductions and Squeeze, and into the weights behind a flattened picture. Those that cannot go
/// further stay. Results are equal to the bit but for the order of sums in such weights.
void sinkTransposes(onnx::ModelProto& model);

}  // namespace rdi::graph
