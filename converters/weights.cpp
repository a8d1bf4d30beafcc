// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/weights.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>

#include "converters/readers/readers.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::convert {
namespace {

float fromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

float fromHalf(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  if (exponent == 31) return fromBits(sign | 0x7f800000 | fraction << 13);
  if (exponent > 0) return fromBits(sign | (exponent + 112) << 23 | fraction << 13);
  const float subnormal = std::ldexp(static_cast<float>(fraction), -24);
  return sign ? -subnormal : subnormal;
}

float fromDouble(double value) {
  if (std::isfinite(value) && std::abs(value) > std::numeric_limits<float>::max())
    throw Error(text("holds the value ", value, ", which is beyond float32's range"));
  return static_cast<float>(value);
}

template <typename Stored>
Stored load(const char* from) {
  Stored value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float element(ElementType type, const char* from) {
  switch (type) {
    case ElementType::float32:
      return load<float>(from);
    case ElementType::float16:
      return fromHalf(load<uint16_t>(from));
    case ElementType::bfloat16:
      return fromBits(static_cast<uint32_t>(load<uint16_t>(from)) << 16);
    case ElementType::float64:
      return fromDouble(load<double>(from));
    case ElementType::int8:
      return load<int8_t>(from);
    case ElementType::uint8:
      return load<uint8_t>(from);
    case ElementType::int16:
      return load<int16_t>(from);
    case ElementType::int32:
      return static_cast<float>(load<int32_t>(from));
    case ElementType::int64:
      return static_cast<float>(load<int64_t>(from));
    case ElementType::boolean:
      return *from != 0 ? 1.0f : 0.0f;
  }
  throw Error("has an unknown element type");
}

}  // namespace

size_t sizeOf(ElementType type) {
  switch (type) {
    case ElementType::float64:
    case ElementType::int64:
      return 8;
    case ElementType::float32:
    case ElementType::int32:
      return 4;
    case ElementType::float16:
    case ElementType::bfloat16:
    case ElementType::int16:
      return 2;
    default:
      return 1;
  }
}

std::string nameOf(ElementType type) {
  constexpr const char* kNames[] = {"float32", "float16", "bfloat16", "float64", "int8",
                                    "uint8",   "int16",   "int32",    "int64",   "bool"};
  return kNames[static_cast<size_t>(type)];
}

size_t countOf(const Tensor& tensor) {
  size_t count = 1;
  for (const int64_t size : tensor.shape) count *= static_cast<size_t>(size);
  return count;
}

void checkTensor(const Tensor& tensor) {
  const uint64_t room = tensor.bytes.size() / sizeOf(tensor.type);
  const auto misfit = [&](const char* how) {
    throw Error(text("is ", graph::toString(tensor.shape), " of ", nameOf(tensor.type), how,
                     ", but its data has room for ", room, " elements; the file is damaged or hostile"));
  };
  if (tensor.strides.size() != tensor.shape.size())
    throw Error(text("has ", tensor.shape.size(), " dimensions and ", tensor.strides.size(), " strides"));
  uint64_t count = 1, last = 0;
  bool empty = false;
  for (const int64_t size : tensor.shape) {
    if (size < 0) throw Error(text("has a dimension of ", size, " elements"));
    empty |= size == 0;
  }
  if (empty) return;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const auto size = static_cast<uint64_t>(tensor.shape[i]),
               stride = static_cast<uint64_t>(tensor.strides[i]);
    if (tensor.strides[i] < 0) throw Error(text("has a stride of ", tensor.strides[i]));
    if (size > room / count) misfit("");
    count *= size;
    if (size > 1 && stride > room / (size - 1)) misfit(" with strides that leave it");
    last += (size - 1) * stride;
    if (last >= room) misfit(" with strides that leave it");
  }
  if (count > room) misfit("");
}

Tensor denseTensor(ElementType type, const graph::Shape& shape, std::string_view bytes) {
  Tensor tensor{type, shape, graph::Shape(shape.size(), 0), bytes};
  checkTensor(tensor);
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0 && countOf(tensor) > 0; stride *= shape[i])
    tensor.strides[i] = stride;
  if (countOf(tensor) * sizeOf(type) != bytes.size())
    throw Error(text("is ", graph::toString(shape), " of ", nameOf(type), " and has ", bytes.size(),
                     " bytes, expected ", countOf(tensor) * sizeOf(type)));
  return tensor;
}

std::vector<float> toFloat(const Tensor& tensor) {
  const size_t size = sizeOf(tensor.type), rank = tensor.shape.size();
  std::vector<float> values(countOf(tensor));
  graph::Shape index(rank, 0);
  size_t offset = 0;
  for (auto& value : values) {
    value = element(tensor.type, tensor.bytes.data() + offset * size);
    for (size_t d = rank; d-- > 0;) {  // to the next element
      offset += static_cast<size_t>(tensor.strides[d]);
      if (++index[d] < tensor.shape[d]) break;
      offset -= static_cast<size_t>(tensor.strides[d] * tensor.shape[d]);
      index[d] = 0;
    }
  }
  return values;
}

namespace {

Weights readAny(const readers::File& file, const std::string& key) {
  const bool isZip = readers::isZip(*file), isSafetensors = readers::isSafetensors(*file);
  // A short safetensors header looks like the beginning of a pickle.
  const bool isPickle = !isSafetensors && readers::isPickle(*file);
  if (!key.empty() && !isZip && !isPickle) throw Error("is no PyTorch file; expected one with --key");
  if (isZip) return readers::readTorchZip(file, key);
  if (isSafetensors) return readers::readSafetensors(file);
  if (isPickle) return readers::readTorchLegacy(file, key);
  return readers::readOnnx(file);
}

}  // namespace

Weights parseWeights(std::string bytes, const std::string& name, const std::string& key) {
  const auto file = std::make_shared<const std::string>(std::move(bytes));
  try {
    Weights weights = readAny(file, key);
    weights.file = name;
    if (weights.tensors.empty()) throw Error("holds no tensors");
    for (const auto& [tensor, ignored] : weights.tensors)
      if (tensor.size() > kLongestName)
        throw Error(text("has a tensor whose name has ", tensor.size(), " characters, expected ",
                         kLongestName, " at most; it is damaged or hostile"));
    return weights;
  } catch (const Error& error) {
    throw Error(text(name, ": ", error.what()));
  }
}

bool holdsOnlyWeights(const std::string& path) {
  char bytes[16];
  std::ifstream stream(path, std::ios::binary);
  stream.read(bytes, sizeof bytes);
  const std::string_view beginning(bytes, static_cast<size_t>(stream.gcount()));
  return readers::isZip(beginning) || readers::isSafetensors(beginning) || readers::isPickle(beginning);
}

Weights readWeights(const std::string& path, const std::string& key) {
  return parseWeights(graph::readFile(path), path, key);
}

}  // namespace rdi::convert
