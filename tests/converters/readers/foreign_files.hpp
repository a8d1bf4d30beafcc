// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// Writers of other people's files, good and bad ones, for tests: pickles op-code by op-code, PyTorch's two
/// containers, zip archives and safetensors.
namespace rdi::test {

/// The bytes of values, little-endian.
template <typename Value>
std::string bytesOf(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

/// A tensor as torch.save sees it: a window into a storage.
struct SavedTensor {
  std::string name;
  std::string storage;  // bytes of its storage
  std::vector<int64_t> shape;
  std::vector<int64_t> strides = {};  // empty = contiguous
  std::string type = "FloatStorage";
  int64_t elementSize = 4;
  int64_t offset = 0;
  std::string key = {};  // empty = the tensor's own; equal keys share the first one's storage
};

/// Pieces of pickles. Together they make one: pickle(dict({{text("a"), integer(1)}})).
namespace op {
std::string text(const std::string& value);
std::string integer(int64_t value);
std::string real(double value);
std::string global(const std::string& module, const std::string& name);
std::string tuple(const std::vector<std::string>& items);
std::string list(const std::vector<std::string>& items);
std::string dict(const std::vector<std::pair<std::string, std::string>>& items);
std::string orderedDict(const std::vector<std::pair<std::string, std::string>>& items);
std::string call(const std::string& function, const std::vector<std::string>& arguments);
std::string storage(const std::string& type, const std::string& key, int64_t elements);
std::string storage(const SavedTensor& tensor);
std::string tensor(const SavedTensor& tensor);  // _rebuild_tensor_v2
std::string parameter(const std::string& tensor);
std::string stateDict(const std::vector<SavedTensor>& tensors);
std::string pickle(const std::string& value);
}  // namespace op

/// What torch.save writes since 1.6, and before. `value` is the saved object in op-codes.
std::string torchZip(const std::string& value, const std::vector<SavedTensor>& tensors,
                     bool deflated = false);
std::string torchLegacy(const std::string& value, const std::vector<SavedTensor>& tensors,
                        bool littleEndian = true);

enum class Pack { stored, deflated, zip64 };
std::string zip(const std::vector<std::pair<std::string, std::string>>& files, Pack pack = Pack::stored);

std::string safetensors(const std::string& header, const std::string& data);
/// The same with a header made from tensors, whose type is "F32", "BF16" ...
std::string safetensors(const std::vector<SavedTensor>& tensors);

}  // namespace rdi::test
