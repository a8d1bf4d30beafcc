// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <functional>
#include <string>
#include <vector>

namespace rdi::graph {

/// Told the values of a tensor, in ONNX's order.
using TensorVisitor = std::function<void(const std::string& tensor, const std::vector<float>& values)>;

/// Computes a model on pictures {C, H, W}, one after the other, in float32, and shows each picture and then
/// every tensor that follows from it to `visit`. This is how a converter, which has no engine, looks at the
/// values between the layers; it knows the operators of the oneDNN engine, and an engine is tens of times
/// faster. Throws rdi::Error naming operator and node for any other operator, and for a picture of another
/// size.
void runInFloat(const onnx::ModelProto& model, const std::vector<std::vector<float>>& pictures,
                const TensorVisitor& visit);

}  // namespace rdi::graph
