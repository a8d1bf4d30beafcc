// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <string>
#include <vector>

#include "graph/error.hpp"
#include "trainer/data.hpp"
#include "trainer/train_options.hpp"

namespace rdi::test {

/// A folder of its own that goes with the object.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path(const std::string& name = "") const { return (folder_ / name).string(); }

private:
  std::filesystem::path folder_;
};

/// A folder of the shared data: below $RDI_DATA, or ../shared/data beside the checkout. It may not exist.
std::string dataFolder(const std::string& name);

/// Message of the rdi::Error that an action throws, or "no error".
template <typename Action>
std::string messageOf(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// A model of one node type: input "x", output "y", both of these shapes, and initializers.
onnx::ModelProto modelOf(const std::vector<onnx::NodeProto>& nodes,
                         const std::vector<onnx::TensorProto>& weights,
                         const std::vector<int64_t>& inputShape, const std::vector<std::string>& outputs,
                         int64_t opset = 11);
onnx::NodeProto node(const std::string& type, const std::vector<std::string>& inputs,
                     const std::string& output);

/// Two exits for 1 x 8 x 8 images of ten classes: convolution, exit1, convolution, (BatchNormalization),
/// dropout, main.
onnx::ModelProto tinyNet(bool hasBatchNormalization, uint64_t seed = 1);

/// Whether plots can be drawn here; a test of them that is skipped says that gnuplot is not installed.
bool hasGnuplot();

/// Idx files of an easy data set of such images in `folder`: train and t10k, raw. Returns "mnist:FOLDER".
std::string writeTinyData(const std::string& folder, int64_t trainCount, int64_t testCount);

/// Big-endian idx bytes.
std::string idxBytes(uint8_t dimensions, const std::vector<uint32_t>& sizes,
                     const std::vector<uint8_t>& values);
void writeFile(const std::string& path, const std::string& bytes);

/// A short training of tinyNet with every part that has a state: attack, dropout, momentum, averages.
train::TrainOptions tinyTraining(const TemporaryFolder& folder, bool hasBatchNormalization);

/// Bytes of all FLOAT initializers, one after the other.
std::string weightBytes(const onnx::ModelProto& model);

}  // namespace rdi::test
