// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>

namespace rdi::zoo {

/// MNIST, 1 x 28 x 28, two side exits.
onnx::ModelProto smallCnn(const std::string& name, uint64_t seed);

/// CIFAR-10, 3 x 32 x 32, six side exits with the authors' heads.
onnx::ModelProto resNet38(const std::string& name, uint64_t seed);

/// CIFAR-10, 3 x 32 x 32, no side exit: a backbone that public weights exist for, to hang exits on. Its
/// normalisation stands inside the graph.
onnx::ModelProto resNet20(const std::string& name, uint64_t seed);

/// CIFAR-10, 3 x 32 x 32. Where the side exits sit: six as in the authors' code, or two as in the paper.
enum class MobileNetExits { six, two };
onnx::ModelProto mobileNetV2(const std::string& name, MobileNetExits exits, uint64_t seed);

}  // namespace rdi::zoo
