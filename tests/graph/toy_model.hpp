// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "graph/shapes.hpp"

namespace rdi::test {

/// A small graph written node by node, for shapes of graphs that the zoo does not have. Weights are random.
class ToyModel {
public:
  explicit ToyModel(const graph::Shape& image = {3, 8, 8});  // input "image", N x C x H x W

  onnx::NodeProto& node(const std::string& opType, const std::vector<std::string>& inputs,
                        const std::string& output);

  std::string weights(const std::string& name, const graph::Shape& dims);
  std::string conv(const std::string& src, int64_t in, int64_t out, const std::string& dst);  // 3x3, padded
  std::string batchNorm(const std::string& src, int64_t channels, const std::string& dst);
  std::string relu(const std::string& src, const std::string& dst);
  std::string linear(const std::string& src, int64_t in, int64_t out, const std::string& dst);
  /// Global average pooling, Flatten and Gemm to 4 classes; `exit` becomes a graph output.
  void exit(const std::string& src, int64_t channels, const std::string& exit);
  void output(const std::string& name, int64_t classes = 4);

  onnx::ModelProto& model() { return model_; }

private:
  onnx::ModelProto model_;
  uint64_t seed_ = 1;
};

/// Three exits over a residual block, with BatchNormalization and Dropout; a few kilobytes.
onnx::ModelProto tinyMultiExit();

/// Number of nodes of this type.
int countNodes(const onnx::ModelProto& model, const std::string& opType);

}  // namespace rdi::test
