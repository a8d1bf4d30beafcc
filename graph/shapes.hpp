// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rdi::graph {

using Shape = std::vector<int64_t>;
using ShapeMap = std::map<std::string, Shape>;  // tensor name -> shape

/// Sets the first dimension of the graph input and forgets every inferred shape.
void setBatch(onnx::ModelProto& model, int64_t batch);

/// Shape of every tensor (inputs, initializers, intermediates, outputs) for the given batch size.
/// Throws rdi::Error naming node and operator when a shape cannot be inferred.
ShapeMap inferShapes(const onnx::ModelProto& model, int64_t batch = 1);

/// The shapes that can be inferred for this batch size; what does not fit or depends on data is left out.
ShapeMap knownShapes(const onnx::ModelProto& model, int64_t batch);

/// The shapes already written in the model (inputs, outputs, value_info, initializers); nothing is inferred.
ShapeMap recordedShapes(const onnx::ModelProto& model);

/// Throws rdi::Error naming the tensor unless every shape is recorded and is the one that follows from the
/// inputs'.
void checkRecordedShapes(const onnx::ModelProto& model);

/// Height, width and channels that the model's input declares: {C, H, W}.
Shape inputShape(const onnx::ModelProto& model);

/// Number of classes: the last dimension of the outputs.
int64_t classCount(const onnx::ModelProto& model);

/// Makes `value` a float32 tensor of this name and shape.
void declareTensor(onnx::ValueInfoProto& value, const std::string& name, const Shape& shape);

/// "1x3x32x32", for messages.
std::string toString(const Shape& shape);

}  // namespace rdi::graph
