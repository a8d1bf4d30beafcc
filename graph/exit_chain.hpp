// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>
#include <vector>

#include "graph/cost.hpp"
#include "graph/exit_rule.hpp"
#include "graph/operating_points.hpp"
#include "graph/partition.hpp"

namespace rdi::graph {

/// A multi-exit model made ready to be written as a file that halts; what all such writers start from.
struct ExitChain {
  onnx::ModelProto model;          // these exits alone, simplified
  std::vector<std::string> exits;  // in the order in which they are tried, the main exit last
  std::vector<Segment> segments;   // of `model`
  ExitRule rule;
  std::vector<OperatingPoint> points;  // of these exits; none where one of them has no threshold
  std::vector<ExitCost> costs;         // of the model before it was simplified: as it was trained
};

/// `exits` empty = all outputs; `rule` absent = the metadata's. Throws rdi::Error for an early-exit file,
/// exits that do not exist or repeat, a rule or an operating point that does not fit, a missing rule, and
/// tensors called `scores`, `exit` or `exit_state...`, names that the files need.
ExitChain exitChain(const onnx::ModelProto& multiExit, const std::vector<std::string>& exits,
                    const std::optional<ExitRule>& rule);

/// The model with these exits alone as its outputs, in this order, simplified.
onnx::ModelProto keepExits(const onnx::ModelProto& multiExit, const std::vector<std::string>& exits);

/// The metadata of a file written from `chain`: that of `multiExit` with the chain's rule, points and cost.
void writeChainMetadata(const onnx::ModelProto& multiExit, const ExitChain& chain, onnx::ModelProto& result);

}  // namespace rdi::graph
