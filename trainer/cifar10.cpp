// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/cifar10.hpp"

#include <filesystem>
#include <fstream>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSide = 32, kChannels = 3, kClasses = 10, kRecordsAFile = 10000;
constexpr const char* kOfficialFolder = "cifar-10-batches-bin";

bool isFile(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// What people find in a folder that is not the right one.
std::string adviceFor(const fs::path& folder) {
  constexpr const char* kWanted = "expected the binary version, cifar-10-binary.tar.gz, unpacked";
  std::error_code ignored;
  const std::string fetch = text("fetch it with rdi-fetch-data cifar10 ", folder.string());
  if (!fs::is_directory(folder, ignored)) return text("there is no such folder; ", fetch);
  for (const fs::path& place : {folder, folder / "cifar-10-batches-py"})
    if (isFile(place / "batches.meta") || isFile(place / "data_batch_1"))
      return text("found the Python version of CIFAR-10, ", kWanted);
  for (const fs::path& place : {folder, folder / "cifar-10-batches-mat"})
    if (isFile(place / "data_batch_1.mat")) return text("found the Matlab version of CIFAR-10, ", kWanted);
  if (isFile(folder / "fine_label_names.txt") || isFile(folder / "train.bin"))
    return text("found CIFAR-100, ", kWanted);
  if (isFile(folder / "cifar-10-binary.tar.gz"))
    return "unpack cifar-10-binary.tar.gz there: tar xf cifar-10-binary.tar.gz";
  return text(fetch, ", or give the folder of CIFAR-10's binary version, as cifar10:FOLDER");
}

}  // namespace

void appendCifar10(ImageSet& set, const std::string& path, int64_t records) {
  set.channels = kChannels;
  set.height = set.width = kSide;
  const int64_t recordSize = 1 + set.imageSize();
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(text(path, ": cannot be opened for reading"));
  std::error_code problem;
  const auto found = fs::file_size(path, problem);
  const auto expected = static_cast<uintmax_t>(records * recordSize);
  if (problem) throw Error(text(path, ": cannot be read: ", problem.message()));
  if (found != expected)
    throw Error(text(path, ": found ", found, " bytes, expected ", expected, " (", records, " records of ",
                     recordSize, "); the file is ", found < expected ? "cut short" : "too long",
                     " or not of CIFAR-10's binary version"));
  std::vector<char> bytes(expected);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(expected)))
    throw Error(text(path, ": could be read up to byte ", file.gcount(), " of ", expected, " only"));
  set.pixels.reserve(set.pixels.size() + static_cast<size_t>(records * set.imageSize()));
  for (int64_t i = 0; i < records; ++i) {
    const auto record = bytes.begin() + i * recordSize;
    const auto label = static_cast<uint8_t>(*record);
    if (label >= kClasses)
      throw Error(text(path, ": found label ", int{label}, " at record ", i, ", expected 0 to ", kClasses - 1,
                       "; the file is damaged or not of CIFAR-10's binary version"));
    set.labels.push_back(label);
    set.pixels.insert(set.pixels.end(), record + 1, record + recordSize);
  }
  set.count += records;
}

ImageSet readCifar10Folder(const std::string& folder, Split split) {
  std::vector<std::string> names = {"test_batch.bin"};
  if (split == Split::train) {
    names.clear();
    for (int k = 1; k <= 5; ++k) names.push_back(text("data_batch_", k, ".bin"));
  }
  const auto holdsSome = [](const fs::path& place) {
    return isFile(place / "test_batch.bin") || isFile(place / "data_batch_1.bin");
  };
  fs::path place = folder;
  if (!holdsSome(place)) place /= kOfficialFolder;
  if (!holdsSome(place))
    throw Error(text(folder, ": holds neither ", names[0], " nor a folder ", kOfficialFolder, " with it; ",
                     adviceFor(folder)));
  ImageSet set;
  for (const std::string& name : names) {
    if (!isFile(place / name))
      throw Error(text(place.string(), ": lacks ", name,
                       "; expected data_batch_1.bin to data_batch_5.bin and test_batch.bin"));
    appendCifar10(set, (place / name).string(), kRecordsAFile);
  }
  return set;
}

}  // namespace rdi::train
