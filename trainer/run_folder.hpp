// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <filesystem>
#include <string>

namespace rdi::train {

/// The files of one training.
class RunFolder {
public:
  explicit RunFolder(const std::string& path) : path_(path) {}

  std::string path() const { return path_.string(); }
  std::string initial() const { return file("initial.onnx"); }       // what the training starts from
  std::string checkpoint() const { return file("checkpoint.rdi"); }  // the last one: all that resume needs
  std::string good() const { return file("good.rdi"); }              // before a collapse, see CollapseGuard
  std::string metrics() const { return file("metrics.jsonl"); }
  std::string model() const { return file("model.onnx"); }  // written at the end

  /// Makes the folder. Throws rdi::Error when it cannot be made.
  void create() const;

  /// Throws rdi::Error when a training was begun here already.
  void refuseSecondTraining() const;

  /// Throws rdi::Error when no training was begun here.
  void expectTraining() const;

private:
  std::string file(const char* name) const { return (path_ / name).string(); }

  std::filesystem::path path_;
};

}  // namespace rdi::train
