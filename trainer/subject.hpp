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
/// that are not known or have other classes than the file names.
Subject loadSubject(const std::string& file, const std::string& data);

/// The rule of an operating point of the file, of logits as `rule`; "" and "default" are `rule`. Throws
/// rdi::Error naming the file when it has no such point or its thresholds do not fit.
graph::ExitRule pointOf(const Subject& subject, const std::string& name);

/// The subject's images of a split, with a progress line when reading takes long. Throws rdi::Error when they
/// do not fit the model.
ImageSet loadImages(const Subject& subject, Split split);

/// Training images that the model was not trained on, as its recipe says: the first `count` of them, or all
/// when 0. Where it does not say, the last images and a warning on stderr. Throws rdi::Error when none is
/// left.
ImageSet loadHeldOut(const Subject& subject, int64_t count);

/// Throws rdi::Error when the file cannot be written: before hours of work, not after them. An empty path is
/// fine.
void checkWritable(const std::string& path);

}  // namespace rdi::train
