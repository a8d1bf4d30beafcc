// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>

#include "graph/shapes.hpp"

namespace rdi::graph {

/// What the oneDNN engine makes of an ONNX operator.
enum class EngineOperator {
  convolution,   // Conv
  affine,        // Gemm, MatMul with constant weights
  channelScale,  // BatchNormalization that could not be folded
  maxPool,
  averagePool,
  mean,        // GlobalAveragePool, ReduceMean over height and width
  activation,  // element by element
  binary,      // Add, Sub, Mul, Div
  concat,      // along the channels
  softmax,
  excerpt,  // Pad with a constant, Slice
  flatten,  // Flatten, Reshape, Squeeze, Unsqueeze to one row (or to one pixel)
};

/// What an operator's check may ask about the stage it stands in.
struct StageFacts {
  /// `stage` must outlive the facts; `recorded` are the shapes its file holds.
  StageFacts(const onnx::ModelProto& stage, ShapeMap recorded);

  ShapeMap shapes;
  std::map<std::string, const onnx::TensorProto*> constants;
  int64_t opset = 0;

  /// Recorded shape, empty when there is none.
  Shape shape(const std::string& tensor) const;
  bool isConstant(const std::string& tensor) const { return constants.count(tensor) != 0; }
  const onnx::TensorProto* constant(const std::string& tensor) const {
    const auto found = constants.find(tensor);
    return found == constants.end() ? nullptr : found->second;
  }
};

/// The engine's operator for a node that whyNotOneDnn(node, facts) accepts; throws rdi::Error for any other.
EngineOperator engineOperator(const onnx::NodeProto& node);

/// Why the oneDNN engine cannot run this node, naming operator and node; empty when it can.
std::string whyNotOneDnn(const onnx::NodeProto& node, const StageFacts& facts);

/// Why the oneDNN engine cannot run a stage (batch 1, all shapes recorded), naming the first operator and
/// node that it lacks; empty when it can. The stage is judged as simplify() leaves it, which is how the
/// engine reads it.
std::string whyNotOneDnn(const onnx::ModelProto& stage);

}  // namespace rdi::graph
