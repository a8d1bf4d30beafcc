// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

namespace rdi::graph {

/// Computes ahead what does not depend on the picture: operators on constants (what exporters leave around
/// weights, and decomposed normalisations) and the arithmetic on shapes that decides how a Reshape, Slice or
/// Pad works. The batch stays open: a Reshape whose target follows the batch gets 0 or -1 in that place.
/// Every operand that this finds becomes an initializer; results agree within rounding. What it cannot
/// compute stays as it is.
void foldConstants(onnx::ModelProto& model);

}  // namespace rdi::graph
