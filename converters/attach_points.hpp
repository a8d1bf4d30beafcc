// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "graph/shapes.hpp"

namespace rdi::convert {

/// A tensor that a branch classifier can read.
struct AttachPoint {
  std::string tensor;
  graph::Shape shape;  // {1, C, H, W}, or {1, F} where the network has gone flat
  int64_t macs = 0;    // of the network up to here
};

/// The points of a single-exit model where one tensor holds all that the rest reads, so that a branch and an
/// early stop cost nothing beside it: features of rank 4, of several that cost the same the last one, none in
/// the first or last twentieth of the cost. In the order of the computation.
std::vector<AttachPoint> attachPoints(const onnx::ModelProto& model);

/// `count` of these points, as near as they come to equal distances in a network of `total` MACs. Throws
/// rdi::Error saying how many there are when they are too few.
std::vector<AttachPoint> equidistant(const std::vector<AttachPoint>& points, size_t count, int64_t total);

/// The point at a tensor that the user names. Throws rdi::Error for a tensor that is not there (with the
/// nearest name, and those that are good), is no feature map, or is not computed from the picture.
AttachPoint attachPoint(const onnx::ModelProto& model, const std::string& tensor);

}  // namespace rdi::convert
