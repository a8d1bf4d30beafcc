// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// One libFuzzer program a way in; RDI_FEED and RDI_IS_MODEL say which. Files that are models are damaged half
// the time in their structure, else by libFuzzer's own mutations.

#include <cstdint>
#include <cstring>

#include "tests/fuzz/damage.hpp"
#include "tests/fuzz/feed.hpp"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t mostSize);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rdi::test::RDI_FEED(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}

#if RDI_IS_MODEL
namespace {

/// Damages the model, or that inside one of its stages; false when there is nothing to damage.
bool damage(std::string& bytes, std::mt19937_64& engine) {
  onnx::ModelProto model;
  if (!model.ParsePartialFromString(bytes) || model.graph().node_size() == 0 ||
      model.graph().input_size() == 0)
    return false;
  auto& node = *model.mutable_graph()->mutable_node(static_cast<int>(engine() % model.graph().node_size()));
  bool inside = false;
  for (auto& attribute : *node.mutable_attribute())
    if (attribute.name() == "graph" && engine() % 4 != 0) inside = damage(*attribute.mutable_s(), engine);
  if (!inside) rdi::test::damageStructure(model, engine);
  bytes = model.SerializePartialAsString();
  return true;
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t mostSize, unsigned seed) {
  std::mt19937_64 engine(seed);
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (engine() % 2 == 0 && damage(bytes, engine) && bytes.size() <= mostSize) {
    std::memcpy(data, bytes.data(), bytes.size());
    return bytes.size();
  }
  return LLVMFuzzerMutate(data, size, mostSize);
}
#endif
