// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "trainer/data.hpp"
#include "trainer/train_options.hpp"
#include "trainer/training_metrics.hpp"

namespace rdi::train {

/// What a program is told, and asked, on the way. Each may be empty.
struct TrainHooks {
  std::function<void(const TrainProgress&)> progress;
  std::function<void(const Validation&)> validation;
  std::function<void(const std::string&)> notice;  // something that the user should know
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
