// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace rdi::graph {

/// What the convolutions of a stage compute with.
enum class Precision { float32, bf16, int8 };

std::string nameOf(Precision precision);               // float32, bf16, int8
Precision precisionFromName(const std::string& name);  // throws rdi::Error for any other

/// Values that a tensor takes; what lies outside is cut off where the tensor is held in 8 bits.
struct Range {
  float low = 0, high = 0;  // low <= high
};

using RangeMap = std::map<std::string, Range>;  // tensor name -> range

/// The ranges that an embedded stage carries in its metadata under `rdi.ranges`, a JSON object of
/// [low, high]; empty when there are none. Throws rdi::Error naming the tensor for anything but two finite
/// numbers in order.
RangeMap readRanges(const onnx::ModelProto& stage);

/// Writes the ranges of the tensors that the stage has.
void writeRanges(onnx::ModelProto& stage, const RangeMap& ranges);

}  // namespace rdi::graph
