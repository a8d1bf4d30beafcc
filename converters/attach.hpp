// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "converters/attach_points.hpp"

namespace rdi::convert {

struct AttachOptions {
  std::vector<std::string> at;  // tensors that branches read, in the order in which their exits are tried
  size_t exits = 0;             // or, when `at` is empty, so many points equidistant in cost
  double share = 0.03;          // MACs of all branches together, at most, as a share of the network's
  uint64_t seed = 1;            // of the branches' initial weights
  /// What the network was fed, where that is not pixel / 255: (pixel - mean) / deviation, one value a channel
  /// or one for all, in pixel units 0 .. 255. Becomes a part of the graph. Empty = 0 and 255.
  std::vector<float> mean, deviation;
};

struct AttachedExit {
  std::string name;  // exit1, exit2, ...
  AttachPoint point;
  int64_t macs = 0;  // of its branch alone
};

struct Attached {
  onnx::ModelProto model;  // outputs: the new exits, then the network's own
  std::vector<AttachedExit> exits;
  int64_t backboneMacs = 0;
};

/// Hangs a branch classifier with fresh weights on a single-exit model at each of the chosen tensors; every
/// weight of the model stays as it is. Where the model ends in Softmax the branches do, too. Throws
/// rdi::Error starting with `name` (the file) for a model that has several exits, tensors that cannot be
/// read, and a share that is too small for any branch.
Attached attachExits(const onnx::ModelProto& model, const std::string& name, const AttachOptions& options);

}  // namespace rdi::convert
