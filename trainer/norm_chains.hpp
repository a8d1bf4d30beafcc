// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace rdi::train {

/// A BatchNormalization with what alone reads it: norm, then perhaps Add, then perhaps Relu or Clip.
struct NormChain {
  const onnx::NodeProto* norm = nullptr;
  std::string shortcut;                         // what the Add adds; "" where there is none
  const onnx::NodeProto* activation = nullptr;  // Relu or Clip
};

struct NormChains {
  std::map<int, NormChain> endingAt;  // index of the last node of each chain, which may be the norm itself
  std::set<int> inside;               // nodes that a later one answers for
};

/// The chains among the nodes of `graph` for which `needed` is true. A tensor of `kept`, such as an output of
/// the model, is never left out.
NormChains findNormChains(const onnx::GraphProto& graph, const std::vector<bool>& needed,
                          const std::set<std::string>& kept);

}  // namespace rdi::train
