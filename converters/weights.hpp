// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/shapes.hpp"

namespace rdi::convert {

constexpr size_t kLongestName = 300;  // of a tensor, in characters

enum class ElementType { float32, float16, bfloat16, float64, int8, uint8, int16, int32, int64, boolean };

size_t sizeOf(ElementType type);       // bytes of one element
std::string nameOf(ElementType type);  // "float16"

/// A tensor of somebody's file: a window into bytes that its `Weights` keep alive. All elements lie inside
/// `bytes`, and there are no more of them than `bytes` has room for.
struct Tensor {
  ElementType type = ElementType::float32;
  graph::Shape shape;
  graph::Shape strides;    // in elements, one a dimension
  std::string_view bytes;  // little-endian, the first element first
};

/// Where all readers meet: the tensors of one file by name.
struct Weights {
  std::string file;  // for messages
  std::string key;   // where in the file they were found, e.g. "state_dict"
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> others;  // name -> what it is: entries that are no tensor we can read
  std::vector<std::shared_ptr<const std::string>> buffers;  // what the tensors look into
};

/// Elements of a tensor; a tensor without dimensions has one.
size_t countOf(const Tensor& tensor);

/// A tensor whose elements lie one after the other in `bytes`, last dimension fastest. Throws rdi::Error when
/// a dimension is negative or the shape does not need exactly these bytes.
Tensor denseTensor(ElementType type, const graph::Shape& shape, std::string_view bytes);

/// Throws rdi::Error unless `tensor` keeps the promises of its struct.
void checkTensor(const Tensor& tensor);

/// The elements in order, last dimension fastest. Throws rdi::Error for a float64 beyond float32's range.
std::vector<float> toFloat(const Tensor& tensor);

/// Reads a PyTorch checkpoint (zip or legacy), a safetensors file or an ONNX model's initializers; which it
/// is is seen from the content, not from the name. `key` names the state dict of a PyTorch file that holds
/// several ("." is the top level); empty finds the only one. Nothing in a file is ever executed. Throws
/// rdi::Error starting with the file's name.
Weights readWeights(const std::string& path, const std::string& key = "");

/// The same from memory; `name` stands for the file in messages.
Weights parseWeights(std::string bytes, const std::string& name, const std::string& key = "");

/// Whether the file begins as those of PyTorch and safetensors do, which hold weights and no network; false
/// when it cannot be read.
bool holdsOnlyWeights(const std::string& path);

}  // namespace rdi::convert
