// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace rdi::train {

/// Everything a training needs to go on: values in `state`, tensors by name (kept on the CPU).
struct Checkpoint {
  nlohmann::json state;
  std::vector<std::pair<std::string, torch::Tensor>> tensors;

  void add(const std::string& name, const torch::Tensor& tensor) { tensors.emplace_back(name, tensor); }

  /// Throws rdi::Error naming the tensor when it is missing.
  const torch::Tensor& tensor(const std::string& name) const;
};

/// As the bytes of its file.
std::string serialize(const Checkpoint& checkpoint);

/// Back from them; `name` goes before errors. Throws rdi::Error when they are cut short, altered or of
/// another version.
Checkpoint parseCheckpoint(const std::string& bytes, const std::string& name);

/// Writes atomically: after a crash the file is either the old one or the new one, whole.
void saveCheckpoint(const Checkpoint& checkpoint, const std::string& path);

/// Throws rdi::Error as parseCheckpoint, and when the file is missing.
Checkpoint loadCheckpoint(const std::string& path);

}  // namespace rdi::train
