// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>
#include <vector>

#include "graph/exit_rule.hpp"
#include "graph/precision.hpp"

namespace rdi::graph {

struct EarlyExitOptions {
  std::vector<std::string>
      exits;  // in the order in which they are tried, the main exit last; empty = all outputs
  std::optional<ExitRule> rule;  // what the metadata says when absent
  std::string engine = "auto";   // onednn, opencv, or auto: onednn where it knows every operator
  Precision precision = Precision::float32;
  RangeMap ranges;  // int8: of the tensors that the model has once it is simplified
};

/// Cuts a checked multi-exit model at its exits into the early-exit ONNX that cv::dnn loads with the plugin:
/// a flat chain RdiStage -> RdiBranchClassifier -> RdiEarlyExit -> ... -> RdiSelect with one output, `scores`
/// (docs/format.md). Keeps the metadata and adds rule and cost. Throws rdi::Error for exits that do not
/// exist, a rule that does not fit or is missing, and an engine that cannot run a stage.
onnx::ModelProto buildEarlyExit(const onnx::ModelProto& multiExit, const EarlyExitOptions& options = {});

/// One exit alone as a plain, simplified single-exit model: the static net that early exit is compared with.
onnx::ModelProto buildStatic(const onnx::ModelProto& multiExit, const std::string& exit);

}  // namespace rdi::graph
