// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "trainer/data.hpp"
#include "trainer/run_record.hpp"
#include "trainer/train_options.hpp"
#include "trainer/training_metrics.hpp"

namespace rdi::train {

class WorkerGroup;

/// What may be another on each machine, and after each break: the rest is the run's. Empty = as it was.
struct MachineOptions {
  std::optional<int> threads;
  std::string device, data;  // the same data at another place
};

/// What a program is told, and asked, on the way. Each may be empty.
struct TrainHooks {
  std::function<void(const TrainProgress&)> progress;
  std::function<void(const Validation&)> validation;
  std::function<void()> saved;                     // the run folder holds a new checkpoint
  std::function<void(const std::string&)> notice;  // something that the user should know
  std::function<bool()> stopRequested;
  LoadProgress loading;
};

enum class TrainOutcome {
  finished,  // FOLDER/model.onnx is written
  stopped,   // as asked; FOLDER/checkpoint.rdi holds all that resume needs
};

/// Trains into a new run folder, whose files RunFolder lists; with the others of `group`, of which this is
/// the first, when there is one. Throws rdi::Error before any work when something does not fit, and when the
/// loss explodes or is no longer a number, or another process is lost: the last checkpoint is kept then.
TrainOutcome startTraining(const TrainOptions& options, const std::string& runFolder, const TrainHooks& hooks,
                           const RunOrigin& origin = {}, WorkerGroup* group = nullptr);

/// Goes on where the checkpoint was written: on a CPU with the same number of threads the result is that of
/// an uninterrupted training, bit for bit.
TrainOutcome resumeTraining(const std::string& runFolder, const MachineOptions& machine,
                            const TrainHooks& hooks, const RunOrigin& origin = {},
                            WorkerGroup* group = nullptr);

/// Takes part, as one that is not the first of `group`, in a training that the first starts or resumes. Each
/// step divides its batch among the processes; all else is as with one process, and the files are the
/// first's.
TrainOutcome joinTraining(WorkerGroup& group, const MachineOptions& machine, const TrainHooks& hooks);

}  // namespace rdi::train
