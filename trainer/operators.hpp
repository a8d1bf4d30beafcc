// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>
#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "trainer/norm_chains.hpp"
#include "trainer/row_generator.hpp"
#include "trainer/worker_group.hpp"

namespace rdi::train {

/// How the operators that know training behave in one forward pass.
struct ForwardMode {
  bool batchStatistics = false;   // BatchNormalization: of the batch; else the running ones
  bool updateStatistics = false;  // BatchNormalization: move the running ones (with batchStatistics)
  bool dropout = false;           // Dropout drops

  // Where several processes share a batch: statistics are those of the whole, and dropout is drawn for it.
  WorkerGroup* group = nullptr;
  BatchPart part = {};

  static ForwardMode training() { return {true, true, true}; }
  static ForwardMode evaluation() { return {}; }
};

/// The tensors that one node reads; an omitted optional input is an undefined tensor.
class Operands {
public:
  Operands(const std::vector<torch::Tensor>& slots, const std::vector<int>& indices)
      : slots_(slots), indices_(indices) {}
  const torch::Tensor& operator[](size_t i) const { return slots_[static_cast<size_t>(indices_[i])]; }
  size_t size() const { return indices_.size(); }

private:
  const std::vector<torch::Tensor>& slots_;
  const std::vector<int>& indices_;
};

using Operation = std::function<torch::Tensor(const Operands&, const ForwardMode&)>;

/// A node made ready to run: nothing is looked up by name any more.
struct CompiledNode {
  Operation operation;
  std::vector<std::string> operands;    // tensor names read at run time, "" for an omitted one
  std::vector<std::string> statistics;  // those of them that are running statistics, not trained
};

/// Tensors with a value known before the model runs, by name.
using ConstantTable = std::map<std::string, const onnx::TensorProto*>;

/// What a node needs to know of its model.
struct NodeContext {
  const ConstantTable& constants;
  int64_t opset = 11;
  int64_t declaredBatch = 0;  // 0 when the model leaves it open
};

/// Operators that compileNode() knows, in alphabetical order.
std::vector<std::string> knownOperators();

/// Throws rdi::Error naming operator and node for an operator, an attribute or a use of it that is not
/// supported.
CompiledNode compileNode(const onnx::NodeProto& node, const NodeContext& context);

/// The nodes of a chain as one operation; a BatchNormalization alone is the shortest.
CompiledNode compileNormChain(const NormChain& chain, const NodeContext& context);

}  // namespace rdi::train
