// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rdi::graph {

/// Attribute readers with the default that the ONNX operator's specification gives.
const onnx::AttributeProto* findAttribute(const onnx::NodeProto& node, const std::string& name);
int64_t intAttribute(const onnx::NodeProto& node, const std::string& name, int64_t fallback);
float floatAttribute(const onnx::NodeProto& node, const std::string& name, float fallback);
std::string stringAttribute(const onnx::NodeProto& node, const std::string& name,
                            const std::string& fallback);
std::vector<int64_t> intsAttribute(const onnx::NodeProto& node, const std::string& name,
                                   const std::vector<int64_t>& fallback);

void setAttribute(onnx::NodeProto& node, const std::string& name, int64_t value);
void setAttribute(onnx::NodeProto& node, const std::string& name, float value);
void setAttribute(onnx::NodeProto& node, const std::string& name, const std::string& value);
void setAttribute(onnx::NodeProto& node, const std::string& name, const std::vector<int64_t>& values);

/// Initializer by name, or null.
const onnx::TensorProto* findInitializer(const onnx::GraphProto& graph, const std::string& name);

/// Values of a FLOAT tensor (raw or typed field); throws rdi::Error for another type or a wrong byte count.
std::vector<float> floatValues(const onnx::TensorProto& tensor);
/// Values of an INT64 or INT32 tensor.
std::vector<int64_t> intValues(const onnx::TensorProto& tensor);

onnx::TensorProto floatTensor(const std::string& name, const std::vector<int64_t>& dims,
                              const std::vector<float>& values);
onnx::TensorProto intTensor(const std::string& name, const std::vector<int64_t>& dims,
                            const std::vector<int64_t>& values);

}  // namespace rdi::graph
