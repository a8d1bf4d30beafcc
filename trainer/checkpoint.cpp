// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// A checkpoint, little endian:
//   52 44 49 43 4b 50 54 31    "RDICKPT1"
//   10 27 00 00 00 00 00 00    length of all that follows the checksum
//   ef be ad de                CRC-32 of it
//   80 01 00 00 00 00 00 00    length of the text
//   {"state": {...}, "tensors": [{"name": ..., "type": "f32", "shape": [..]}, ...]}
//   ...                        the tensors' bytes in the order of the list, one right after the other

#include "trainer/checkpoint.hpp"

#include <zlib.h>

#include <cstring>
#include <filesystem>

#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::train {
namespace {

constexpr char kMagic[] = "RDICKPT1";
constexpr size_t kMagicSize = 8, kHeaderSize = kMagicSize + 8 + 4;

struct ElementType {
  const char* name;
  torch::ScalarType type;
};
constexpr ElementType kElementTypes[] = {
    {"f32", torch::kFloat32}, {"f64", torch::kFloat64}, {"i64", torch::kInt64}, {"u8", torch::kUInt8}};

std::string typeName(const torch::Tensor& tensor) {
  for (const ElementType& element : kElementTypes)
    if (element.type == tensor.scalar_type()) return element.name;
  throw Error("a checkpoint holds float32, float64, int64 and uint8 tensors only");
}

template <typename Number>
void append(std::string& bytes, Number value) {
  for (size_t i = 0; i < sizeof(Number); ++i) bytes.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

template <typename Number>
Number readNumber(const char* bytes) {
  Number value = 0;
  for (size_t i = 0; i < sizeof(Number); ++i)
    value |= Number{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return value;
}

uint32_t checksum(const char* bytes, size_t size) {
  uLong crc = crc32_z(0, nullptr, 0);
  return static_cast<uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes), size));
}

}  // namespace

const torch::Tensor& Checkpoint::tensor(const std::string& name) const {
  for (const auto& [key, value] : tensors)
    if (key == name) return value;
  throw Error(
      text("holds no tensor \"", name,
           "\": it is of another model than initial.onnx beside it, or of another version of rdi-train"));
}

std::string serialize(const Checkpoint& checkpoint) {
  nlohmann::json list = nlohmann::json::array();
  std::string data;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const torch::Tensor flat = tensor.detach().to(torch::kCPU).contiguous();
    list.push_back({{"name", name}, {"type", typeName(flat)}, {"shape", flat.sizes().vec()}});
    data.append(static_cast<const char*>(flat.data_ptr()), flat.nbytes());
  }
  const std::string header = nlohmann::json{{"state", checkpoint.state}, {"tensors", list}}.dump();
  std::string body;
  body.reserve(8 + header.size() + data.size());
  append(body, static_cast<uint64_t>(header.size()));
  body += header;
  body += data;

  std::string bytes(kMagic, kMagicSize);
  append(bytes, static_cast<uint64_t>(body.size()));
  append(bytes, checksum(body.data(), body.size()));
  return bytes + body;
}

Checkpoint parseCheckpoint(const std::string& bytes, const std::string& path) {
  const std::string advice = "; it cannot be resumed from, start the training again in another folder";
  const std::string version = kMagic + kMagicSize - 1;
  if (bytes.size() < kHeaderSize || bytes.compare(0, kMagicSize - 1, kMagic, kMagicSize - 1) != 0)
    throw Error(text(path, ": found ", bytes.size(), " bytes that are no checkpoint", advice));
  if (bytes[kMagicSize - 1] != version[0])
    throw Error(text(path, ": found a checkpoint of version ", bytes.substr(kMagicSize - 1, 1),
                     ", expected version ", version,
                     "; go on with the rdi-train that wrote it, run.json beside it names its revision"));
  const auto length = readNumber<uint64_t>(bytes.data() + kMagicSize);
  if (bytes.size() - kHeaderSize != length)
    throw Error(text(path, ": damaged checkpoint: found ", bytes.size() - kHeaderSize,
                     " bytes after its header, expected ", length, advice));
  const auto expected = readNumber<uint32_t>(bytes.data() + kMagicSize + 8);
  const uint32_t found = checksum(bytes.data() + kHeaderSize, length);
  if (found != expected)
    throw Error(text(path, ": damaged checkpoint: found checksum ", found, ", expected ", expected, advice));

  // From here on the bytes are those that were written; bounds are still checked before anything is read.
  const char* position = bytes.data() + kHeaderSize;
  const char* const end = bytes.data() + bytes.size();
  const auto take = [&](uint64_t size) {
    if (size > static_cast<uint64_t>(end - position))
      throw Error(text(path, ": damaged checkpoint: a length points past its end", advice));
    const char* start = position;
    position += size;
    return start;
  };
  try {
    const auto headerSize = readNumber<uint64_t>(take(8));
    const char* header = take(headerSize);
    const nlohmann::json json = nlohmann::json::parse(header, header + headerSize);
    Checkpoint checkpoint;
    checkpoint.state = json.at("state");
    for (const nlohmann::json& entry : json.at("tensors")) {
      const auto type = entry.at("type").get<std::string>();
      const ElementType* element = nullptr;
      for (const ElementType& candidate : kElementTypes)
        if (type == candidate.name) element = &candidate;
      if (element == nullptr) throw Error(text(path, ": unknown element type ", type));
      torch::Tensor tensor =
          torch::empty(entry.at("shape").get<std::vector<int64_t>>(), torch::TensorOptions(element->type));
      const char* values = take(tensor.nbytes());
      if (tensor.nbytes() > 0) std::memcpy(tensor.data_ptr(), values, tensor.nbytes());
      checkpoint.add(entry.at("name").get<std::string>(), tensor);
    }
    return checkpoint;
  } catch (const nlohmann::json::exception& error) {
    throw Error(text(path, ": damaged checkpoint: ", error.what(), advice));
  }
}

void saveCheckpoint(const Checkpoint& checkpoint, const std::string& path) {
  const std::string bytes = serialize(checkpoint);
  // Two files of this size lie side by side while the new one is written. Better said before than half-way.
  std::error_code unknown;
  const auto folder = std::filesystem::absolute(path).parent_path();
  const std::filesystem::space_info space = std::filesystem::space(folder, unknown);
  if (!unknown && space.available < bytes.size())
    throw Error(text(path, ": a checkpoint takes ", bytes.size() / 1024 + 1, " KiB, found ",
                     space.available / 1024,
                     " KiB free on the disk; what lay there before is untouched. Make room and go on"));
  graph::writeFileAtomically(path, bytes);
}

Checkpoint loadCheckpoint(const std::string& path) { return parseCheckpoint(graph::readFile(path), path); }

}  // namespace rdi::train
