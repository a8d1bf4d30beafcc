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
  std::string record() const { return file("run.json"); }            // what was run, how and on what
  std::string recipe() const { return file("recipe.ini"); }          // for --config
  std::string initial() const { return file("initial.onnx"); }       // what the training starts from
  std::string metrics() const { return file("metrics.jsonl"); }      // a line now and then, see MetricsFile
  std::string checkpoint() const { return file("checkpoint.rdi"); }  // the last one: all that resume needs
  std::string good() const { return file("good.rdi"); }              // before a collapse, see CollapseGuard
  std::string bestCheckpoint() const { return file("best.rdi"); }    // of the best robust accuracy held out
  std::string bestModel() const { return file("best.onnx"); }        // its weights
  std::string model() const { return file("model.onnx"); }           // written at the end
  std::string lossCurve() const { return file("loss.svg"); }         // see drawTrainingCurves
  std::string accuracyCurve() const { return file("accuracy.svg"); }
  std::string learningRateCurve() const { return file("learning_rate.svg"); }

  /// Makes the folder. Throws rdi::Error when it cannot be made.
  void create() const;

  /// Throws rdi::Error when a training was begun here already.
  void refuseSecondTraining() const;

  /// Throws rdi::Error when no training was begun here.
  void expectTraining() const;

  /// Removes what a program that was killed left half written. Only for who holds the lock.
  void removeLeftovers() const;

private:
  friend class RunFolderLock;
  std::string file(const char* name) const { return (path_ / name).string(); }

  std::filesystem::path path_;
};

/// While it lives, no other program trains in the folder. It goes with its program, however that ends.
class RunFolderLock {
public:
  /// Throws rdi::Error when another program trains there, or when the folder cannot be written.
  explicit RunFolderLock(const RunFolder& folder);
  ~RunFolderLock();
  RunFolderLock(const RunFolderLock&) = delete;
  RunFolderLock& operator=(const RunFolderLock&) = delete;

private:
  int file_;
};

}  // namespace rdi::train
