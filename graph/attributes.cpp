// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/attributes.hpp"

#include <cstring>

#include "graph/error.hpp"

namespace rdi::graph {

const onnx::AttributeProto* findAttribute(const onnx::NodeProto& node, const std::string& name) {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

int64_t intAttribute(const onnx::NodeProto& node, const std::string& name, int64_t fallback) {
  const auto* attribute = findAttribute(node, name);
  return attribute ? attribute->i() : fallback;
}

float floatAttribute(const onnx::NodeProto& node, const std::string& name, float fallback) {
  const auto* attribute = findAttribute(node, name);
  return attribute ? attribute->f() : fallback;
}

std::string stringAttribute(const onnx::NodeProto& node, const std::string& name,
                            const std::string& fallback) {
  const auto* attribute = findAttribute(node, name);
  return attribute ? attribute->s() : fallback;
}

std::vector<int64_t> intsAttribute(const onnx::NodeProto& node, const std::string& name,
                                   const std::vector<int64_t>& fallback) {
  const auto* attribute = findAttribute(node, name);
  return attribute ? std::vector<int64_t>(attribute->ints().begin(), attribute->ints().end()) : fallback;
}

namespace {

onnx::AttributeProto& makeAttribute(onnx::NodeProto& node, const std::string& name,
                                    onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto* found = nullptr;
  for (auto& attribute : *node.mutable_attribute())
    if (attribute.name() == name) found = &attribute;
  if (!found) found = node.add_attribute();
  found->Clear();
  found->set_name(name);
  found->set_type(type);
  return *found;
}

int64_t elementCount(const onnx::TensorProto& tensor) {
  int64_t count = 1;
  for (int64_t dim : tensor.dims()) {
    if (dim < 0 || (dim > 0 && count > (int64_t{1} << 40) / dim))
      throw Error(text("tensor '", tensor.name(), "' has impossible dimensions"));
    count *= dim;
  }
  return count;
}

// Values of a tensor whose typed field is `typed`, or whose raw bytes are little-endian T.
template <typename T, typename Typed>
std::vector<T> valuesOf(const onnx::TensorProto& tensor, const Typed& typed) {
  const auto count = static_cast<size_t>(elementCount(tensor));
  std::vector<T> values(count);
  if (tensor.has_raw_data()) {
    if (tensor.raw_data().size() != count * sizeof(T))
      throw Error(text("tensor '", tensor.name(), "' holds ", tensor.raw_data().size(),
                       " bytes, its dimensions need ", count * sizeof(T)));
    if (count > 0) std::memcpy(values.data(), tensor.raw_data().data(), count * sizeof(T));
  } else {
    if (static_cast<size_t>(typed.size()) != count)
      throw Error(
          text("tensor '", tensor.name(), "' holds ", typed.size(), " values, its dimensions need ", count));
    std::copy(typed.begin(), typed.end(), values.begin());
  }
  return values;
}

}  // namespace

void setAttribute(onnx::NodeProto& node, const std::string& name, int64_t value) {
  makeAttribute(node, name, onnx::AttributeProto::INT).set_i(value);
}

void setAttribute(onnx::NodeProto& node, const std::string& name, float value) {
  makeAttribute(node, name, onnx::AttributeProto::FLOAT).set_f(value);
}

void setAttribute(onnx::NodeProto& node, const std::string& name, const std::string& value) {
  makeAttribute(node, name, onnx::AttributeProto::STRING).set_s(value);
}

void setAttribute(onnx::NodeProto& node, const std::string& name, const std::vector<int64_t>& values) {
  auto& attribute = makeAttribute(node, name, onnx::AttributeProto::INTS);
  for (int64_t value : values) attribute.add_ints(value);
}

const onnx::TensorProto* findInitializer(const onnx::GraphProto& graph, const std::string& name) {
  for (const auto& tensor : graph.initializer())
    if (tensor.name() == name) return &tensor;
  return nullptr;
}

std::vector<float> floatValues(const onnx::TensorProto& tensor) {
  if (tensor.data_type() != onnx::TensorProto::FLOAT)
    throw Error(
        text("tensor '", tensor.name(), "' is of ONNX type ", tensor.data_type(), ", expected float32"));
  return valuesOf<float>(tensor, tensor.float_data());
}

std::vector<int64_t> intValues(const onnx::TensorProto& tensor) {
  if (tensor.data_type() == onnx::TensorProto::INT64) return valuesOf<int64_t>(tensor, tensor.int64_data());
  if (tensor.data_type() == onnx::TensorProto::INT32) {
    const auto values = valuesOf<int32_t>(tensor, tensor.int32_data());
    return {values.begin(), values.end()};
  }
  throw Error(
      text("tensor '", tensor.name(), "' is of ONNX type ", tensor.data_type(), ", expected int64 or int32"));
}

onnx::TensorProto floatTensor(const std::string& name, const std::vector<int64_t>& dims,
                              const std::vector<float>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(values.data(), values.size() * sizeof(float));
  return tensor;
}

onnx::TensorProto intTensor(const std::string& name, const std::vector<int64_t>& dims,
                            const std::vector<int64_t>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  for (int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(values.data(), values.size() * sizeof(int64_t));
  return tensor;
}

}  // namespace rdi::graph
