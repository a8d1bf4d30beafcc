// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <array>
#include <cstdint>

#include "graph/shapes.hpp"

namespace rdi::graph {

/// How a 2-d convolution or pooling slides; each pair is {vertical, horizontal}.
struct Window {
  std::array<int64_t, 2> kernel{1, 1};
  std::array<int64_t, 2> strides{1, 1};
  std::array<int64_t, 2> dilations{1, 1};
  std::array<int64_t, 2> padsBegin{0, 0};
  std::array<int64_t, 2> padsEnd{
      0, 0};  // what the output's size implies, so that ceil_mode needs no case of its own
};

/// The window of a Conv, MaxPool or AveragePool node with ONNX's defaults, auto_pad resolved, for the shapes
/// given (N x C x H x W). `kernel` is used when the node has no kernel_shape (Conv: the weights' size).
/// Throws rdi::Error when an attribute has another length than two (pads: four) or a value that no window can
/// have, or when the shapes do not follow from each other.
Window windowOf(const onnx::NodeProto& node, const Shape& source, const Shape& destination,
                const std::array<int64_t, 2>& kernel);

}  // namespace rdi::graph
