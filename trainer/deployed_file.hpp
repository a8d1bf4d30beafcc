// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

#include "graph/cost.hpp"
#include "graph/exit_rule.hpp"
#include "graph/shapes.hpp"

namespace rdi::train {

/// What an early-exit file says of itself, as far as a comparison needs it.
struct DeployedFile {
  std::string path;
  graph::Shape inputShape;  // channels, height, width
  int64_t classCount = 0;
  graph::ExitRule rule;
  std::vector<graph::ExitCost> costs;  // one an exit
};

/// Throws rdi::Error naming the file when it cannot be read, is no early-exit file, or holds no rule or cost.
DeployedFile readDeployedFile(const std::string& path);

}  // namespace rdi::train
