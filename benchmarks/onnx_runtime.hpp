// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <memory>
#include <opencv2/core.hpp>
#include <string>

namespace rdi::bench {

/// Empty, or why ONNX Runtime cannot be measured here and what to do about it.
std::string whyNoOnnxRuntime();

/// A model in ONNX Runtime, in a node process of its own that waits until it is asked; one input, again and
/// again.
class OnnxRuntime {
public:
  /// Throws rdi::Error with ONNX Runtime's words when it refuses the model.
  OnnxRuntime(const onnx::ModelProto& model, const cv::Mat& blob, int threads);
  ~OnnxRuntime();
  OnnxRuntime(const OnnxRuntime&) = delete;
  OnnxRuntime& operator=(const OnnxRuntime&) = delete;

  const std::string& version() const { return version_; }

  /// The first output as one row.
  const cv::Mat& output() const { return output_; }

  /// Seconds that so many runs took: by the wall clock, or CPU time of its process.
  double seconds(int runs, bool cpuTime);

private:
  struct Process;
  std::unique_ptr<Process> process_;
  std::string version_;
  cv::Mat output_;
};

/// Registers runs of the model as a benchmark.
void measureOnnxRuntime(const std::string& name, const std::shared_ptr<OnnxRuntime>& runtime, double cost);

}  // namespace rdi::bench
