// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "trainer/data.hpp"
#include "trainer/train_options.hpp"

namespace rdi::train {

/// Where a training stands; means since the last line of metrics.jsonl.
struct TrainProgress {
  int64_t iteration = 0, iterations = 0;
  double loss = 0;
  std::vector<double> cleanAccuracy;   // of each exit on the training batches; empty when not computed
  std::vector<double> robustAccuracy;  // the same, attacked
  double epsilon = 0, learningRate = 0;
  double imagesPerSecond = 0, secondsLeft = 0;
  bool logged = false;  // this state became a line of metrics.jsonl
};

/// Accuracy of each exit on held-out images.
struct Validation {
  int64_t iteration = 0, images = 0;
  std::vector<double> clean, attacked;
};

/// What a program is told, and asked, on the way. Each may be empty.
struct TrainHooks {
  std::function<void(const TrainProgress&)> progress;
  std::function<void(const Validation&)> validation;
  std::function<bool()> stopRequested;
  LoadProgress loading;
};

enum class TrainOutcome {
  finished,  // FOLDER/model.onnx is written
  stopped,   // as asked; FOLDER/checkpoint.rdi holds all that resume needs
};

/// Trains into a new run folder: initial.onnx, checkpoint.rdi, metrics.jsonl and, at the end, model.onnx.
/// Throws rdi::Error before any work when something does not fit, and when the loss is no longer a number.
TrainOutcome startTraining(const TrainOptions& options, const std::string& runFolder,
                           const TrainHooks& hooks);

/// Goes on where the checkpoint was written: on a CPU with the same number of threads the result is that of
/// an uninterrupted training, bit for bit. `threads` replaces the recorded number.
TrainOutcome resumeTraining(const std::string& runFolder, std::optional<int> threads,
                            const TrainHooks& hooks);

}  // namespace rdi::train
