// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

namespace rdi::graph {

/// A connected piece of a model: its nodes in order, the tensors it reads from outside (initializers
/// excluded) and the tensors that others read from it.
struct Part {
  std::vector<int> nodes;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

/// One step of the early-exit chain: the trunk computed on the way to an exit, then the exit's own branch.
struct Segment {
  std::string exit;  // output name
  Part stage;        // empty when the exit hangs on tensors computed before
  Part branch;       // outputs exactly {exit}
};

/// What a segment's parts are called in every file: stage1, stage2, ... (`index` from 0) and classifier_EXIT.
std::string stageName(size_t index);
std::string branchName(const std::string& exit);

/// Nodes that the tensors in `outputs` need, as ascending indices into graph.node.
std::vector<int> ancestors(const onnx::GraphProto& graph, const std::vector<std::string>& outputs);

/// Cuts a multi-exit model at its exits, in the order given. Exit k's branch holds the nodes that exit k
/// needs and no later exit needs; its stage the nodes that exit k and a later exit need and no earlier step
/// computed. Any number of tensors may cross a cut; an exit nobody names is dropped. Throws rdi::Error for an
/// unknown, repeated or missing exit.
std::vector<Segment> partition(const onnx::ModelProto& model, const std::vector<std::string>& exits);

/// The part as a plain ONNX model of batch 1 with all shapes recorded: opens in any ONNX runtime.
onnx::ModelProto extract(const onnx::ModelProto& model, const Part& part, const std::string& name);

}  // namespace rdi::graph
