// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "trainer/attack_options.hpp"
#include "trainer/data.hpp"
#include "trainer/score_table.hpp"

namespace rdi::train {

struct EvaluatorOptions {
  std::string device = "cpu";
  int threads = 0;  // 0 = all cores
  int64_t batchSize = 250;
  int64_t limit = 0;  // images from the first on; 0 = all
  uint64_t seed = 1;
  std::string modelName;  // the model's file, for errors
};

/// Scores, always as logits, of a multi-exit model on the images of one set. Keeps libtorch out of its
/// header.
class Evaluator {
public:
  Evaluator(const onnx::ModelProto& model, const ImageSet& images, const EvaluatorOptions& options);
  ~Evaluator();

  /// Of the images as they are, or attacked in this form; `done` is told how many images are through.
  ScoreTable scores(const std::optional<AttackForm>& form, const AttackOptions& attack,
                    const std::function<void(int64_t)>& done = {});

  /// Images that scores() looks at.
  int64_t imageCount() const;

private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rdi::train
