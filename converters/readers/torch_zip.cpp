// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <algorithm>
#include <map>

#include "converters/readers/readers.hpp"
#include "converters/readers/torch_objects.hpp"
#include "converters/readers/zip_archive.hpp"
#include "graph/error.hpp"

namespace rdi::convert::readers {
namespace {

constexpr std::string_view kPickle = "data.pkl";
constexpr size_t kNamed = 3;  // records in a message

/// "archive/" of "archive/data.pkl"; torch.save puts everything into one folder.
std::string findFolder(const ZipArchive& archive) {
  for (const auto& record : archive.records()) {
    const size_t slash = record.name.find('/');
    if (record.name == kPickle) return "";
    if (slash != std::string_view::npos && record.name.substr(slash + 1) == kPickle)
      return std::string(record.name.substr(0, slash + 1));
  }
  std::string names;
  for (size_t i = 0; i < std::min(kNamed, archive.records().size()); ++i)
    names += (i == 0 ? "" : ", ") + std::string(archive.records()[i].name);
  throw Error(text("is a zip archive without data.pkl, found ", names.empty() ? "nothing" : names,
                   "; expected what torch.save writes (is it a NumPy or Keras file, or packed once more?)"));
}

class TorchZip {
public:
  TorchZip(const File& file, Weights& weights)
      : weights_(weights), archive_(*file), folder_(findFolder(archive_)) {
    weights_.buffers.push_back(file);
  }

  std::string_view pickle() { return read(std::string(kPickle)); }

  void checkByteOrder() {
    if (archive_.find(folder_ + "byteorder") && read("byteorder") != "little")
      throw Error(
          "was written by a big-endian machine, expected little-endian; load and save it with PyTorch on a "
          "usual one");
  }

  /// Each storage is read once, however many tensors look into it.
  std::string_view storage(const StorageRecord& record) {
    const auto [place, added] = storages_.try_emplace(record.key);
    if (added) place->second = read("data/" + std::string(record.key));
    const uint64_t found = place->second.size() / record.elementSize;
    if (found < record.elements)
      throw Error(
          text("has a storage of ", found, " elements, expected ", record.elements, "; the file is damaged"));
    return place->second.substr(0, static_cast<size_t>(record.elements) * record.elementSize);
  }

private:
  std::string_view read(const std::string& name) {
    const auto* record = archive_.find(folder_ + name);
    if (!record)
      throw Error(text("lacks the record ", folder_, name, " of its archive; the file is damaged"));
    return archive_.read(*record, weights_.buffers);
  }

  Weights& weights_;
  ZipArchive archive_;
  std::string folder_;
  std::map<std::string_view, std::string_view> storages_;
};

}  // namespace

bool isZip(std::string_view bytes) {
  return bytes.substr(0, 4) == std::string_view("PK\3\4", 4) ||
         bytes.substr(0, 4) == std::string_view("PK\5\6", 4);
}

Weights readTorchZip(const File& file, const std::string& key) {
  Weights weights;
  TorchZip archive(file, weights);
  archive.checkByteOrder();
  size_t position = 0;
  const Pickle pickle(archive.pickle(), position);
  findStateDict(
      pickle, [&](const StorageRecord& record) { return archive.storage(record); }, key, weights);
  return weights;
}

}  // namespace rdi::convert::readers
