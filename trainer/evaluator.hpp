// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/exit_rule.hpp"
#include "trainer/attack_plan.hpp"
#include "trainer/data.hpp"
#include "trainer/score_table.hpp"

namespace rdi::train {

struct EvaluatorOptions {
  std::string device = "cpu";
  int threads = 0;  // 0 = all cores
  int64_t batchSize = 250;
  int64_t limit = 0;  // images from the first on; 0 = all
  uint64_t seed = 1;
  std::string modelName;    // the model's file, for errors
  std::string folder;       // results of each batch go here, and are taken from here; empty = nowhere
  bool saveInputs = false;  // the attacked images too
};

/// Scores, always as logits, of all images under one attack.
struct AttackedScores {
  ScoreTable table;               // images that were left out have their clean scores
  std::vector<uint8_t> attacked;  // per image: 0 = left out
  double seconds = 0;
  std::vector<float> firstImages;  // of the first kSheetImages: channels x height x width each, 0..1
};
constexpr int64_t kSheetImages = 16;

struct EvaluatorHooks {
  /// Attack at work, images that are through with all attacks, estimated seconds left.
  std::function<void(const Attack& attack, int64_t images, double secondsLeft)> progress;
  std::function<bool()> stop;  // asked after each attack on a batch
};

/// Runs a multi-exit model on the images of one set, clean and attacked. Keeps libtorch out of its header.
class Evaluator {
public:
  /// The set must outlive the call alone.
  Evaluator(const onnx::ModelProto& model, const ImageSet& images, const EvaluatorOptions& options);
  ~Evaluator();

  /// Scores of the clean images, then those under each attack by somebody who knows `rule`; nothing when
  /// hooks.stop asked to end before all was done. Each attack draws from a seed of its own for each batch:
  /// order, interruption, or leaving one out change nothing but what onlySurvivors looks at. Throws
  /// rdi::Error when options.folder holds other results or cannot be written.
  std::optional<std::vector<AttackedScores>> run(const std::vector<Attack>& attacks,
                                                 const graph::ExitRule& rule,
                                                 const EvaluatorHooks& hooks = {});

  /// Images that run() looks at.
  int64_t imageCount() const;

private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rdi::train
