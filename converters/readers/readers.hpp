// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "converters/weights.hpp"

/// One reader a format. Each fills everything of `Weights` but `file`, takes tensors as windows into `file`
/// where it can, and throws rdi::Error without the file's name.
namespace rdi::convert::readers {

using File = std::shared_ptr<const std::string>;

Weights readTorchZip(const File& file, const std::string& key);
Weights readTorchLegacy(const File& file, const std::string& key);
Weights readSafetensors(const File& file);
Weights readOnnx(const File& file);

/// Whether the bytes begin as the format does. Whatever is none of the others may be ONNX.
bool isZip(std::string_view bytes);
bool isPickle(std::string_view bytes);
bool isSafetensors(std::string_view bytes);

/// What a file that no reader knows may be and what to do about it: "is packed with gzip; unpack it first".
std::string guess(std::string_view bytes);

}  // namespace rdi::convert::readers
