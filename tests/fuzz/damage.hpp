// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <random>
#include <string>

namespace rdi::test {

/// A few random edits: bits, bytes, cuts, pieces taken out or doubled. The same engine gives the same damage.
void damageBytes(std::string& bytes, std::mt19937_64& engine);

/// Changes meaning instead of bytes: such models pass the protobuf parser and go deep. The graph needs a node
/// and an input.
void damageStructure(onnx::ModelProto& model, std::mt19937_64& engine);

}  // namespace rdi::test
