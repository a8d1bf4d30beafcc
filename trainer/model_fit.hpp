// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>

#include "trainer/data.hpp"

namespace rdi::train {

/// Throws rdi::Error when image size, channels or number of classes of model and data differ, or when the
/// model's metadata asks for other pixels than the trainer feeds: scale 1/255, mean 0.
void checkModelFitsData(const onnx::ModelProto& model, const ImageSet& images, const DataSource& source);

/// Throws rdi::Error when the model is an early-exit ONNX: what is trained and attacked is the multi-exit
/// one.
void refuseEarlyExit(const onnx::ModelProto& model, const std::string& path);

/// True when a Softmax makes each of the outputs.
bool givesProbabilities(const onnx::ModelProto& model);

}  // namespace rdi::train
