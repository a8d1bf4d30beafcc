// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "graph/shapes.hpp"

namespace rdi::test {

/// Writes small ONNX graphs (opset 11 unless another is given) for tests, with reproducible random weights.
class ModelBuilder {
public:
  explicit ModelBuilder(int64_t opset = 11);

  std::string input(const std::string& name, const graph::Shape& shape);
  /// Values of the usual size for layers of this fan-in, so that activations neither vanish nor explode.
  std::string weights(const graph::Shape& shape);
  std::string constant(const graph::Shape& shape, const std::vector<float>& values);
  std::string intConstant(const std::vector<int64_t>& values);

  /// Appends a node and returns its output's name; set attributes through node().
  std::string add(const std::string& type, const std::vector<std::string>& inputs);
  /// The last node.
  onnx::NodeProto& node() { return *model_.mutable_graph()->mutable_node(model_.graph().node_size() - 1); }

  /// Convolution with bias, square kernel.
  std::string conv(const std::string& from, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
                   int64_t pad = 0, int64_t groups = 1);
  std::string gemm(const std::string& from, int64_t in, int64_t out);

  /// The graph with these outputs and the shape of every tensor recorded, as an embedded stage has it.
  onnx::ModelProto stage(const std::vector<std::string>& outputs) const;
  /// The graph with these outputs, as a multi-exit model has it.
  onnx::ModelProto classifier(const std::vector<std::string>& outputs) const;

private:
  std::string fresh(const std::string& stem);

  onnx::ModelProto model_;
  std::mt19937 random_{7};
  int names_ = 0;
};

/// Reproducible values in -1 .. 1.
std::vector<float> randomValues(size_t count, uint32_t seed);

/// Largest |a - b| over largest |a|.
double relativeDifference(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace rdi::test
