// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <vector>

#include "graph/shapes.hpp"

namespace rdi::test {

struct Tensor {
  graph::Shape shape;
  std::vector<double> values;
};

/// Computes one node by its operator's definition at this opset, in loops as plain as they can be; an operand
/// left out is null. Throws rdi::Error for an operator it does not know.
std::vector<Tensor> computeNaively(const onnx::NodeProto& node, const std::vector<const Tensor*>& operands,
                                   int64_t opset);

/// Values of a tensor of the file.
Tensor fromProto(const onnx::TensorProto& proto);

int64_t elementCount(const graph::Shape& shape);

}  // namespace rdi::test
