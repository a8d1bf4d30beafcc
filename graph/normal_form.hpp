// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

namespace rdi::graph {

/// Brings a classifier from any exporter into the form that this project works on; what this project writes
/// has it already and stays as it is.
/// - An input N x H x W x C becomes N x C x H x W: it is one when all that reads it is a Transpose to that
/// order, or
///   when its last size, and not its second one, is 1, 3 or 4.
/// - IR 3 becomes IR 4, whose initializers need not be inputs as well.
/// - What does not depend on the picture is computed (graph/constant_folding.hpp).
/// - Transposes meet and vanish (graph/transposes.hpp).
/// - Outputs N x C x 1 x 1 (or any other way to write one row) become N x C.
void toNormalForm(onnx::ModelProto& model);

}  // namespace rdi::graph
