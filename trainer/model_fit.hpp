// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>

#include "graph/error.hpp"
#include "trainer/data.hpp"

namespace rdi::train {

/// Runs `body` and puts the model's file before an rdi::Error that does not begin with it.
template <typename Body>
auto namingTheModel(const std::string& path, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    const std::string message = error.what(), prefix = path + ": ";
    if (path.empty() || message.compare(0, prefix.size(), prefix) == 0) throw;
    throw Error(prefix + message);
  }
}

/// Throws rdi::Error when image size, channels or number of classes of model and data differ, or when the
/// model's metadata asks for other pixels than the trainer feeds: scale 1/255, mean 0.
void checkModelFitsData(const onnx::ModelProto& model, const ImageSet& images, const DataSource& source);

/// Throws rdi::Error when the model is an early-exit ONNX: what is trained and attacked is the multi-exit
/// one.
void refuseEarlyExit(const onnx::ModelProto& model, const std::string& path);

/// True when a Softmax makes each of the outputs.
bool givesProbabilities(const onnx::ModelProto& model);

}  // namespace rdi::train
