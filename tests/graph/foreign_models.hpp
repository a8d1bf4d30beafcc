// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/shapes.hpp"
#include "tests/graph/naive_operators.hpp"

namespace rdi::test {

/// A multi-exit classifier written the way somebody else's exporter writes it, at any opset from 7 to 17.
struct ForeignModel {
  std::string name;
  std::function<onnx::ModelProto(int64_t opset)> make;
  bool channelsLast = false;  // its input is N x H x W x C
};

/// What exporters of PyTorch, TensorFlow and CNTK make of the usual backbones: residual, dense, inverted
/// residual, inception, squeeze-and-excitation, channel shuffle; every way to normalise a picture, to pool
/// and to flatten it before a classifier, and to order exits. Weights are random, shapes small.
const std::vector<ForeignModel>& foreignModels();

/// The opsets to write them in: the oldest and newest, and those where operators changed their form.
const std::vector<int64_t>& foreignOpsets();

/// A batch for a model that takes N x C x H x W, in the order of one that takes N x H x W x C.
Tensor channelsLast(const Tensor& batch);

}  // namespace rdi::test
