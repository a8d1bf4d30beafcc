// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>
#include <vector>

#include "graph/exit_rule.hpp"

namespace rdi::graph {

/// How the names of all tensors begin that decide, and of no tensor of the network.
inline constexpr char kNestedIfPrefix[] = "halt/";

/// A multi-exit model as standard ONNX that halts in any ONNX runtime, one input at a time (batch 1): after
/// each exit an `If` either gives its scores or computes the rest of the net, whose weights stand inside its
/// else-branch. The conditions are plain operators that compute leavesAt() as this program does, in the same
/// precision. Outputs: `scores`, 1 x classes, and `exit`, 1 x 1 float, the 0-based index of the exit taken.
/// Keeps the metadata and adds rule and cost. `exits` empty = all outputs; `rule` absent = the metadata's.
/// Throws rdi::Error for what exitChain() refuses.
onnx::ModelProto buildNestedIf(const onnx::ModelProto& multiExit, const std::vector<std::string>& exits = {},
                               const std::optional<ExitRule>& rule = std::nullopt);

/// True when buildNestedIf() wrote the model: outputs `scores` and `exit`, the latter made by an `If` (or,
/// where one exit takes everybody, a constant).
bool isNestedIf(const onnx::ModelProto& model);

/// Throws rdi::Error starting with `name` (the file) when the ONNX checker refuses the model.
void checkNestedIf(const onnx::ModelProto& model, const std::string& name);

}  // namespace rdi::graph
