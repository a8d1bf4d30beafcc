// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "graph/cost.hpp"
#include "graph/exit_rule.hpp"
#include "graph/metadata.hpp"
#include "trainer/data.hpp"

namespace rdi::train {

/// A model that is looked at, its data and its rule.
struct Subject {
  std::string file;
  onnx::ModelProto model;
  graph::Metadata metadata;
  DataSource source;
  std::vector<graph::ExitCost> costs;
  graph::ExitRule rule;  // of the file; always speaks of logits, as Evaluator gives them
  graph::Scores scoresInFile = graph::Scores::logits;

  size_t exitCount() const { return costs.size(); }
};

/// Throws rdi::Error naming the file for a model that cannot be read or is an early-exit one, and for data
/// that are not known.
Subject loadSubject(const std::string& file, const std::string& data);

/// "leaves when entropy is below 0.2, 0.3; fusion last, patience 1"
std::string describe(const graph::ExitRule& rule);

/// Throws rdi::Error when the file cannot be written: before hours of work, not after them. An empty path is
/// fine.
void checkWritable(const std::string& path);

}  // namespace rdi::train
