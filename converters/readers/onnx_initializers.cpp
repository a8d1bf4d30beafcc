// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <optional>

#include "converters/readers/readers.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::convert::readers {
namespace {

using onnx::TensorProto;

std::optional<ElementType> elementType(int type) {
  switch (type) {
    case TensorProto::FLOAT:
      return ElementType::float32;
    case TensorProto::FLOAT16:
      return ElementType::float16;
    case TensorProto::BFLOAT16:
      return ElementType::bfloat16;
    case TensorProto::DOUBLE:
      return ElementType::float64;
    case TensorProto::INT8:
      return ElementType::int8;
    case TensorProto::UINT8:
      return ElementType::uint8;
    case TensorProto::INT16:
      return ElementType::int16;
    case TensorProto::INT32:
      return ElementType::int32;
    case TensorProto::INT64:
      return ElementType::int64;
    case TensorProto::BOOL:
      return ElementType::boolean;
    default:
      return std::nullopt;
  }
}

template <typename Stored, typename Values>
std::string packed(const Values& values) {
  std::string bytes;
  bytes.reserve(static_cast<size_t>(values.size()) * sizeof(Stored));
  for (const auto value : values) {
    const auto stored = static_cast<Stored>(value);
    bytes.append(reinterpret_cast<const char*>(&stored), sizeof stored);
  }
  return bytes;
}

/// The bytes that raw_data would hold, from the field that ONNX prescribes for the type.
std::string typedBytes(const TensorProto& tensor, ElementType type) {
  switch (type) {
    case ElementType::float32:
      return packed<float>(tensor.float_data());
    case ElementType::float64:
      return packed<double>(tensor.double_data());
    case ElementType::int64:
      return packed<int64_t>(tensor.int64_data());
    case ElementType::int32:
      return packed<int32_t>(tensor.int32_data());
    case ElementType::float16:
    case ElementType::bfloat16:
    case ElementType::int16:
      return packed<uint16_t>(tensor.int32_data());
    default:
      return packed<uint8_t>(tensor.int32_data());
  }
}

}  // namespace

Weights readOnnx(const File& file) {
  const auto model = std::make_shared<onnx::ModelProto>();
  if (file->size() > INT32_MAX || !model->ParsePartialFromString(*file) || !model->has_graph())
    throw Error(guess(*file));
  if (graph::isEarlyExit(*model))
    throw Error(
        "is an early-exit file, whose weights lie inside its stages; expected the multi-exit file it was "
        "made from");
  Weights weights;
  for (const auto& tensor : model->graph().initializer()) {
    try {
      if (tensor.data_location() == TensorProto::EXTERNAL || tensor.external_data_size() > 0)
        throw Error("keeps its data in another file; save the model with its weights inside");
      const auto type = elementType(tensor.data_type());
      if (!type) {
        weights.others[tensor.name()] = text("a tensor of ONNX type ", tensor.data_type());
        continue;
      }
      // The model lives on as long as somebody looks into one of its tensors.
      weights.buffers.push_back(tensor.has_raw_data()
                                    ? File(model, &tensor.raw_data())
                                    : std::make_shared<const std::string>(typedBytes(tensor, *type)));
      weights.tensors[tensor.name()] =
          denseTensor(*type, {tensor.dims().begin(), tensor.dims().end()}, *weights.buffers.back());
    } catch (const Error& error) {
      throw Error(text("tensor '", tensor.name(), "' ", error.what()));
    }
  }
  return weights;
}

}  // namespace rdi::convert::readers
