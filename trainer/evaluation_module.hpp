// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <memory>
#include <string>

#include "trainer/graph_module.hpp"

namespace rdi::train {

/// The model as it is deployed, for looking at: BatchNormalization folded, in evaluation mode, on the device,
/// all scores as logits. `file` names the model in errors.
std::shared_ptr<GraphModule> evaluationModule(const onnx::ModelProto& model, const std::string& file,
                                              const torch::Device& device);

}  // namespace rdi::train
