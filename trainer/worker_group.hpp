// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph/error.hpp"
#include "trainer/worker_place.hpp"

namespace rdi::train {

/// Another process ended or cannot be reached any more.
class WorkerLost : public Error {
public:
  using Error::Error;
};

/// The processes that train one model together. Everybody calls the same functions in the same order; each
/// throws WorkerLost when another process is lost.
class WorkerGroup {
public:
  WorkerGroup(int64_t rank, int64_t size) : rank_(rank), size_(size) {}
  virtual ~WorkerGroup() = default;

  int64_t rank() const { return rank_; }
  int64_t size() const { return size_; }
  bool isFirst() const { return rank_ == 0; }

  /// Adds up the tensors of all processes (float32 or float64, one shape), in place.
  virtual void sum(torch::Tensor& tensor) = 0;

  /// What rank 0 gives under this name, in every process. Waits for it some minutes.
  virtual std::string share(const std::string& name, const std::string& bytes) = 0;

  /// Returns when everybody has come here, for which there are some minutes. A problem that somebody comes
  /// with is thrown everywhere.
  virtual void meet(const std::string& name, const std::string& problem) = 0;

private:
  int64_t rank_, size_;
};

/// Makes of each process's values (means over its part of a batch) the means over the whole batch, in one
/// message; shapes and types stay. Undefined tensors are passed over.
void averageOverParts(WorkerGroup& group, std::vector<torch::Tensor>& values);

/// Waits some minutes for the other processes. From then on one of which nothing is heard for `patience`,
/// while it is waited for, is lost. Throws rdi::Error when somebody does not come, and when this build cannot
/// work together with others.
std::unique_ptr<WorkerGroup> joinWorkers(const WorkerPlace& place, std::chrono::seconds patience);

}  // namespace rdi::train
