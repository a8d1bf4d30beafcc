// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "graph/shapes.hpp"

namespace rdi::graph {

/// Multiply-accumulates (MAC) for one input.
struct Macs {
  int64_t conv = 0;    // Conv: in/groups * out * kh * kw * outH * outW
  int64_t linear = 0;  // Gemm and MatMul
  int64_t total() const { return conv + linear; }
};

/// MACs of one node at batch 1; zero for every operator but Conv, Gemm and MatMul (as the paper counts).
Macs nodeMacs(const onnx::NodeProto& node, const ShapeMap& shapes);

/// MACs of all nodes of a model at batch 1.
Macs modelMacs(const onnx::ModelProto& model);

/// What an input that leaves by this exit costs.
struct ExitCost {
  std::string exit;  // output name
  Macs own;          // all that this exit alone needs: trunk up to it and its own head
  Macs paid;         // all that was executed on the way: trunk and every head up to and including this one

  /// The paper's figure: convolution MACs of `own`, in units of 2^20; rejected heads are free there.
  double paperMi() const { return static_cast<double>(own.conv) / (1024.0 * 1024.0); }
};

/// Cost of every exit in the order of `exits` (the model's outputs when empty); the last one is the main
/// exit, whose `own` is the static single-exit net.
std::vector<ExitCost> exitCosts(const onnx::ModelProto& model, const std::vector<std::string>& exits = {});

/// Average of `paid` (conv + linear) over inputs that left by the exits in these shares, divided by the
/// static net's cost: below 1 is a saving. `shares` has one entry an exit and sums to 1.
double paidFraction(const std::vector<ExitCost>& costs, const std::vector<double>& shares);

/// The same in the paper's accounting.
double paperFraction(const std::vector<ExitCost>& costs, const std::vector<double>& shares);

/// Number of trainable values (BatchNormalization's running statistics are not) that output `exit` needs and
/// no output listed in `without` needs.
int64_t parameterCount(const onnx::ModelProto& model, const std::string& exit,
                       const std::vector<std::string>& without = {});

}  // namespace rdi::graph
