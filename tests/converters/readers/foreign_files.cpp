// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/converters/readers/foreign_files.hpp"

#include <zlib.h>

#include <algorithm>
#include <map>
#include <set>

namespace rdi::test {
namespace {

template <typename Number>
std::string number(Number value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string keyOf(const SavedTensor& tensor) {
  return tensor.key.empty() ? "key of " + tensor.name : tensor.key;
}

std::vector<int64_t> stridesOf(const SavedTensor& tensor) {
  if (!tensor.strides.empty()) return tensor.strides;
  std::vector<int64_t> strides(tensor.shape.size(), 1);
  for (size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * tensor.shape[i];
  return strides;
}

std::string integers(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (const int64_t value : values) items.push_back(op::integer(value));
  return op::tuple(items);
}

/// The distinct storages in the order of their first use.
std::vector<const SavedTensor*> storagesOf(const std::vector<SavedTensor>& tensors) {
  std::vector<const SavedTensor*> storages;
  std::set<std::string> seen;
  for (const auto& tensor : tensors)
    if (seen.insert(keyOf(tensor)).second) storages.push_back(&tensor);
  return storages;
}

std::string deflate(const std::string& bytes) {
  std::string packed(compressBound(bytes.size()) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  ::deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace

namespace op {

std::string text(const std::string& value) {
  return "X" + number(static_cast<uint32_t>(value.size())) + value;
}

std::string integer(int64_t value) {
  if (value >= INT32_MIN && value <= INT32_MAX) return "J" + number(static_cast<int32_t>(value));
  return "\x8a\x08" + number(value);
}

std::string real(double value) {
  std::string bytes = number(value);
  std::reverse(bytes.begin(), bytes.end());
  return "G" + bytes;
}

std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

std::string tuple(const std::vector<std::string>& items) {
  std::string result = "(";
  for (const auto& item : items) result += item;
  return result + "t";
}

std::string list(const std::vector<std::string>& items) {
  std::string result = "](";
  for (const auto& item : items) result += item;
  return result + "e";
}

std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string result = "}(";
  for (const auto& [key, value] : items) result += key + value;
  return result + "u";
}

std::string orderedDict(const std::vector<std::pair<std::string, std::string>>& items) {
  return global("collections", "OrderedDict") + ")R" + dict(items).substr(1);
}

std::string call(const std::string& function, const std::vector<std::string>& arguments) {
  return function + tuple(arguments) + "R";
}

std::string storage(const std::string& type, const std::string& key, int64_t elements) {
  const std::string module = type == "UntypedStorage" ? "torch.storage" : "torch";
  return tuple({text("storage"), global(module, type), text(key), text("cpu"), integer(elements)}) + "Q";
}

std::string storage(const SavedTensor& tensor) {
  return storage(tensor.type, keyOf(tensor),
                 static_cast<int64_t>(tensor.storage.size()) / tensor.elementSize);
}

std::string tensor(const SavedTensor& saved) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {storage(saved), integer(saved.offset), integers(saved.shape), integers(stridesOf(saved)),
               "\x89", orderedDict({})});
}

std::string parameter(const std::string& saved) {
  return call(global("torch._utils", "_rebuild_parameter"), {saved, "\x88", orderedDict({})});
}

std::string stateDict(const std::vector<SavedTensor>& tensors) {
  std::vector<std::pair<std::string, std::string>> items;
  for (const auto& saved : tensors) items.emplace_back(text(saved.name), tensor(saved));
  return orderedDict(items);
}

std::string pickle(const std::string& value) { return "\x80\x02" + value + "."; }

}  // namespace op

std::string torchZip(const std::string& value, const std::vector<SavedTensor>& tensors, bool deflated) {
  std::vector<std::pair<std::string, std::string>> files = {{"archive/data.pkl", op::pickle(value)},
                                                            {"archive/byteorder", "little"}};
  for (const auto* saved : storagesOf(tensors))
    files.emplace_back("archive/data/" + keyOf(*saved), saved->storage);
  files.emplace_back("archive/version", "3\n");
  return zip(files, deflated ? Pack::deflated : Pack::stored);
}

std::string torchLegacy(const std::string& value, const std::vector<SavedTensor>& tensors,
                        bool littleEndian) {
  std::string file = op::pickle(std::string("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12)) +
                     op::pickle(op::integer(1001)) +
                     op::pickle(op::dict({{op::text("protocol_version"), op::integer(1001)},
                                          {op::text("little_endian"), littleEndian ? "\x88" : "\x89"}})) +
                     op::pickle(value);
  std::vector<std::string> keys;
  for (const auto* saved : storagesOf(tensors)) keys.push_back(op::text(keyOf(*saved)));
  file += op::pickle(op::list(keys));
  for (const auto* saved : storagesOf(tensors))
    file += number(static_cast<int64_t>(saved->storage.size()) / saved->elementSize) + saved->storage;
  return file;
}

std::string zip(const std::vector<std::pair<std::string, std::string>>& files, Pack pack) {
  std::string archive, directory;
  const bool is64 = pack == Pack::zip64;
  for (const auto& [name, contents] : files) {
    const std::string packed = pack == Pack::deflated ? deflate(contents) : contents;
    const auto checksum = static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(contents.data()), static_cast<uInt>(contents.size())));
    const std::string extra64 = number<uint16_t>(1) + number<uint16_t>(24) +
                                number<uint64_t>(contents.size()) + number<uint64_t>(packed.size()) +
                                number<uint64_t>(archive.size());
    const auto small = [&](uint64_t value) {
      return number(is64 ? 0xffffffffU : static_cast<uint32_t>(value));
    };
    const std::string common = number<uint16_t>(20) + number<uint16_t>(0) +
                               number<uint16_t>(pack == Pack::deflated ? 8 : 0) + number<uint32_t>(0) +
                               number(checksum) + small(packed.size()) + small(contents.size()) +
                               number(static_cast<uint16_t>(name.size()));
    directory += std::string("PK\1\2", 4) + number<uint16_t>(20) + common +
                 number(static_cast<uint16_t>(is64 ? extra64.size() : 0)) + number<uint16_t>(0) +
                 number<uint64_t>(0) + small(archive.size()) + name + (is64 ? extra64 : "");
    archive += std::string("PK\3\4", 4) + common + number<uint16_t>(5) + name + "extra" + packed;
  }
  const uint64_t at = archive.size();
  archive += directory;
  const uint64_t end = archive.size();
  if (is64)
    archive += std::string("PK\6\6", 4) + number<uint64_t>(44) + number<uint32_t>(0) + number<uint64_t>(0) +
               number<uint64_t>(files.size()) + number<uint64_t>(files.size()) +
               number<uint64_t>(directory.size()) + number(at) + std::string("PK\6\7", 4) +
               number<uint32_t>(0) + number(end) + number<uint32_t>(1);
  const auto count = number(static_cast<uint16_t>(is64 ? 0xffff : files.size()));
  return archive + std::string("PK\5\6", 4) + number<uint32_t>(0) + count + count +
         number(is64 ? 0xffffffffU : static_cast<uint32_t>(directory.size())) +
         number(is64 ? 0xffffffffU : static_cast<uint32_t>(at)) + number<uint16_t>(0);
}

std::string safetensors(const std::string& header, const std::string& data) {
  return number<uint64_t>(header.size()) + header + data;
}

std::string safetensors(const std::vector<SavedTensor>& tensors) {
  std::string header = R"({"__metadata__": {"format": "pt"})", data;
  for (const auto& saved : tensors) {
    std::string shape;
    for (const int64_t size : saved.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
    header += ", \"" + saved.name + R"(": {"dtype": ")" + saved.type + R"(", "shape": [)" + shape +
              R"(], "data_offsets": [)" + std::to_string(data.size()) + ", " +
              std::to_string(data.size() + saved.storage.size()) + "]}";
    data += saved.storage;
  }
  return safetensors(header + "}", data);
}

}  // namespace rdi::test
