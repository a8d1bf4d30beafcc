// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/shapes.hpp"

namespace rdi::graph {

/// What Pad and Slice have in common: destination(i) = source(begin + i * step) along each axis, and `fill`
/// where that lies outside the source.
struct Box {
  std::vector<int64_t> begin;  // one an axis; below 0 before the source's first value
  std::vector<int64_t> step;   // one an axis, 1 or more
  float fill = 0;
};

/// Value of a constant input by name, or null.
using ConstantLookup = std::function<const onnx::TensorProto*(const std::string&)>;

/// The box of a Pad (constant) or Slice node that reads `source`, in any opset. Throws rdi::Error saying what
/// is wrong for other modes, steps below 1, and operands that are no constants or do not fit the source.
Box boxOf(const onnx::NodeProto& node, const Shape& source, const ConstantLookup& constant);

}  // namespace rdi::graph
