// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>

namespace rdi::zoo {

/// MNIST, 1 x 28 x 28, two side exits.
onnx::ModelProto smallCnn(const std::string& name, uint64_t seed, int64_t classes);

/// CIFAR-10, 3 x 32 x 32: three groups of 16, 32 and 64 channels; 6 blocks each make ResNet-38. Side exits:
/// none, or for 6 blocks the authors' six with their heads, which cost 21 % of the net, or two lean ones,
/// all heads together 0.9 %.
enum class ResNetExits { none, six, lean };
onnx::ModelProto resNet(const std::string& name, int blocksPerGroup, ResNetExits exits, uint64_t seed,
                        int64_t classes);

/// CIFAR-10, 3 x 32 x 32, no side exit: a backbone that public weights exist for, to hang exits on. Its
/// normalisation stands inside the graph.
onnx::ModelProto resNet20(const std::string& name, uint64_t seed, int64_t classes);

/// CIFAR-10, 3 x 32 x 32. Side exits: none, six as in the authors' code, two as in the paper, or two lean
/// ones, all heads together 0.8 %.
enum class MobileNetExits { none, six, two, lean };
onnx::ModelProto mobileNetV2(const std::string& name, MobileNetExits exits, uint64_t seed, int64_t classes);

}  // namespace rdi::zoo
