// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/trainer/process.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::test {

/// Tests of rdi-train as a user runs it, on a tiny net and easy data.
class TinyPrograms : public testing::Test {
protected:
  void SetUp() override {
    data_ = writeTinyData(folder_.path("data"), 400, 100);
    model_ = folder_.path("tiny.onnx");
    graph::saveModel(tinyNet(true), model_);
  }

  Result run(const std::vector<std::string>& arguments, const Process::Environment& environment = {}) {
    return Process(folder_, arguments, environment).wait();
  }

  /// The command of a short training into `run`; `more` comes last and so wins.
  std::vector<std::string> training(const std::string& run, int iterations,
                                    const std::vector<std::string>& more = {}) const;

  /// Until the training has logged so many lines; fails after half a minute.
  static void waitForLines(const std::string& run, int lines);

  static std::string weights(const std::string& run) {
    return weightBytes(graph::loadModel(run + "/model.onnx"));
  }

  TemporaryFolder folder_;
  std::string data_, model_;
};

}  // namespace rdi::test
