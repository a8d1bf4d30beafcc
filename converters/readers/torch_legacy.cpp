// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <map>

#include "converters/readers/cursor.hpp"
#include "converters/readers/readers.hpp"
#include "converters/readers/torch_objects.hpp"

namespace rdi::convert::readers {
namespace {

using Kind = Pickle::Kind;

/// The number that every legacy checkpoint begins with.
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kProtocol = 1001;

struct StoredElements {
  std::string_view bytes;
  size_t elementSize;
};

void checkSystem(const Pickle& system) {
  const auto& items = system.items(system.root());
  for (size_t i = 0; i + 1 < items.size(); i += 2)
    if (Pickle::text(items[i]) == "little_endian" && items[i + 1].kind == Kind::boolean &&
        items[i + 1].as.integer == 0)
      throw Error(
          "was written by a big-endian machine, expected little-endian; load and save it with PyTorch on a "
          "usual one");
}

/// The storages behind the pickles: a list of keys, then for each the number of elements and the elements.
std::map<std::string_view, StoredElements> readStorages(const Pickle& pickle, const Pickle& keys,
                                                        Cursor cursor) {
  std::map<std::string_view, size_t> elementSizes;
  for (const auto& persistent : pickle.persistents()) {
    if (!isStorage(pickle, persistent)) continue;
    const auto record = storageRecord(pickle, persistent);
    elementSizes[record.key] = record.elementSize;
  }
  std::map<std::string_view, StoredElements> storages;
  for (const auto& key : keys.items(keys.root())) {
    const auto name = Pickle::text(key);
    const auto size = elementSizes.find(name);
    if (size == elementSizes.end()) throw Error(text("is damaged: no tensor uses its storage ", name));
    const auto elements = cursor.read<uint64_t>();
    if (elements > cursor.left() / size->second)
      throw Error(text("is cut short or damaged: storage ", name, " has ", elements, " elements of ",
                       size->second, " bytes, found ", cursor.left(), " bytes"));
    storages[name] = {cursor.take(elements * size->second), size->second};
  }
  return storages;
}

}  // namespace

bool isPickle(std::string_view bytes) {
  return bytes.size() > 1 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5;
}

Weights readTorchLegacy(const File& file, const std::string& key) {
  const std::string_view bytes = *file;
  size_t position = 0;
  const Pickle magic(bytes, position);
  if (magic.root().kind != Kind::bytes || Pickle::text(magic.root()) != kMagic)
    throw Error("is a Python pickle, but not one that torch.save wrote; save a state dict with torch.save");
  const Pickle protocol(bytes, position);
  if (protocol.root().kind != Kind::integer || protocol.root().as.integer != kProtocol)
    throw Error(text("is a legacy PyTorch file of an unknown protocol, expected ", kProtocol));
  const Pickle system(bytes, position);
  checkSystem(system);
  const Pickle saved(bytes, position);
  const Pickle keys(bytes, position);
  const auto storages = readStorages(saved, keys, Cursor(bytes, position));

  Weights weights;
  weights.buffers.push_back(file);
  findStateDict(
      saved,
      [&](const StorageRecord& record) {
        const auto found = storages.find(record.key);
        if (found == storages.end())
          throw Error(text("lacks its storage ", record.key, "; the file is damaged"));
        return found->second.bytes;
      },
      key, weights);
  return weights;
}

}  // namespace rdi::convert::readers
