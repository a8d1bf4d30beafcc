// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include "graph/shapes.hpp"

namespace rdi::graph {

/// Throws rdi::Error naming node and operator when a window attribute is out of range (sizes, strides and
/// dilations below 1, negative pads, no group): ONNX's own shape inference divides by them unchecked.
void checkWindowAttributes(const onnx::NodeProto& node);

/// Throws rdi::Error naming node and operator when operands do not fit each other where ONNX's shape
/// inference does not look: channels and groups of Conv, inner dimension and bias of Gemm and MatMul,
/// parameters of BatchNormalization, and results without any element.
void checkOperands(const onnx::NodeProto& node, const ShapeMap& shapes);

}  // namespace rdi::graph
