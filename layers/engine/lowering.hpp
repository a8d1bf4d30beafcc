// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <vector>

#include "layers/engine/program.hpp"
#include "layers/engine/stage_engine.hpp"

namespace rdi::engine {

/// Turns a stage into operations: constants, biases, residual additions and activations become part of the
/// operation before them. Knows nothing of oneDNN. Throws rdi::Error with graph::whyNotOneDnn's words when
/// that refuses the stage, and for tensors whose recorded shapes contradict each other.
Program lower(const onnx::ModelProto& stage, const std::vector<Layout>& inputLayouts);

}  // namespace rdi::engine
