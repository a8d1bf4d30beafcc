// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/box.hpp"
#include "graph/shapes.hpp"
#include "graph/window.hpp"

namespace rdi::engine {

/// How a value is stored: 8-bit numbers stand for number * Tensor::scale.
enum class Number { float32, bfloat16, signed8, unsigned8 };

/// One tensor of a stage at batch 1: {1, C, H, W}, stored channels last, or {1, C}.
struct Tensor {
  std::string name;  // in ONNX, of the value that it holds in the end
  graph::Shape shape;
  int sameBytesAs = -1;  // index of the tensor that this one is another shape of, or -1
  Number number = Number::float32;
  float scale = 1;  // 8-bit numbers

  int64_t elementCount() const;
  size_t byteCount() const;
  int64_t channels() const { return shape[1]; }
  int64_t pixels() const { return shape.size() == 4 ? shape[2] * shape[3] : 1; }
};

enum class ActivationKind { relu, elu, clip, sigmoid, tanh };

/// relu: alpha is the slope of negative values; elu: alpha; clip: to alpha .. beta.
struct Activation {
  ActivationKind kind = ActivationKind::relu;
  float alpha = 0, beta = 0;
};

enum class OperationKind {
  convolution,
  innerProduct,
  maxPool,
  averagePool,
  binary,
  activation,  // standing alone
  concat,
  softmax,
  toChannelsLast,   // the same values, {C, H, W} in memory to {H, W, C}
  toChannelsFirst,  // and back
  excerpt,          // a box of the source, every step-th value; a constant outside of it
  copy,
  convert,  // the same values, stored as the destination stores them
};

enum class BinaryKind { add, subtract, multiply, divide };

/// One fused step: destination = activation(operation(sources) + addend).
struct Operation {
  OperationKind kind = OperationKind::copy;
  std::string name;  // of the ONNX node, for messages
  std::vector<int> sources;
  int destination = -1;

  std::vector<float>
      weights;  // convolution: {out, in / groups, kh, kw}; innerProduct: {out, in}, in in memory order
  std::vector<float> weightScales;  // 8-bit convolution, {out}: weights are whole numbers times these
  std::vector<float> bias;          // {out} or empty
  int64_t groups = 1;
  graph::Window window;
  bool countPads = false;  // averagePool
  graph::Box box;          // excerpt; axes N, C, H, W or N, C
  BinaryKind binary = BinaryKind::add;
  std::vector<float> operand;  // binary with a constant: its values in memory order
  graph::Shape operandShape;   // of rank shape(destination); extents are equal or 1

  int addend = -1;            // tensor added to the result (residual), or -1
  bool copiesAddend = false;  // the addend's buffer is needed later, so it is copied to the destination first
  std::optional<Activation> activation;
};

/// A stage as a list of operations in the order in which they run.
struct Program {
  std::vector<Tensor> tensors;
  std::vector<Operation> operations;
  std::vector<int> inputs;   // tensors, in the order of the graph's inputs
  std::vector<int> outputs;  // tensors, in the order of the graph's outputs
};

}  // namespace rdi::engine
