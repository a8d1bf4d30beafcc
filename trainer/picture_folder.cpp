// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/picture_folder.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>

#include "graph/error.hpp"
#include "trainer/picture.hpp"

namespace rdi::train {
namespace {

namespace fs = std::filesystem;

constexpr size_t kTestShare = 5;      // every so-manieth picture is for tests
constexpr size_t kMostClasses = 256;  // labels are bytes
constexpr const char* kTrain = "train";
constexpr const char* kTest = "test";

bool isHidden(const fs::path& path) { return path.filename().string().front() == '.'; }

bool isPicture(const fs::path& path) {
  static const std::set<std::string> kEndings = {".png", ".jpg",  ".jpeg", ".bmp", ".webp",
                                                 ".tif", ".tiff", ".ppm",  ".pgm", ".pbm"};
  std::string ending = path.extension().string();
  for (char& letter : ending)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return kEndings.count(ending) > 0;
}

std::vector<std::string> subFolders(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && !isHidden(entry.path())) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// 64 bits that look random; FNV-1a, then the finalizer of splitmix64, which lets every bit depend on all.
uint64_t hashOf(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3U;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9U;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
  return hash ^ (hash >> 31);
}

bool holdsBothSplits(const fs::path& folder) {
  return fs::is_directory(folder / kTrain) && fs::is_directory(folder / kTest);
}

std::string joined(const std::vector<std::string>& names) {
  constexpr size_t kMost = 5;
  std::string result;
  for (size_t i = 0; i < names.size() && i < kMost; ++i) result += (i > 0 ? ", " : "") + names[i];
  return names.size() > kMost ? text(result, ", ... (", names.size(), ")") : result;
}

struct Candidate {
  uint64_t hash;
  std::string name;  // CLASS/..., below the folder of the classes
  uint8_t label;

  bool operator<(const Candidate& other) const {
    return std::tie(hash, name) < std::tie(other.hash, other.name);
  }
};

// In the order of their hashes.
std::vector<Candidate> candidates(const fs::path& folder, const std::string& className, uint8_t label) {
  std::vector<Candidate> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder / className)) {
    if (!entry.is_regular_file() || isHidden(entry.path()) || !isPicture(entry.path())) continue;
    const std::string name = entry.path().lexically_relative(folder).generic_string();
    found.push_back({hashOf(name), name, label});
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

PictureFolder::PictureFolder(const std::string& folder) : path(folder) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored))
    throw Error(text(path, ": is no folder; expected one with a sub-folder a class"));
  const fs::path place = path;
  const bool hasBoth = holdsBothSplits(place);
  if (!hasBoth && fs::is_directory(place / kTrain))
    throw Error(text(path, ": holds ", kTrain, " but no ", kTest, " (found ", joined(subFolders(place)),
                     "); name the folder of test pictures ", kTest, ", or give folder:", path, "/", kTrain,
                     " to have a part of it drawn"));
  classNames = subFolders(hasBoth ? place / kTrain : place);
  if (hasBoth && classNames != subFolders(place / kTest))
    throw Error(text(path, ": found the classes ", joined(classNames), " in ", kTrain, " but ",
                     joined(subFolders(place / kTest)), " in ", kTest,
                     "; expected the same folders in both"));
  if (classNames.size() < 2 || classNames.size() > kMostClasses)
    throw Error(text(path, ": found ", classNames.size(), " sub-folder(s)",
                     classNames.empty() ? "" : " (" + joined(classNames) + ")",
                     ", expected one a class, 2 to ", kMostClasses, " classes"));
}

std::vector<PictureFolder::Picture> PictureFolder::list(Split split) const {
  const bool hasBoth = holdsBothSplits(path);
  const fs::path place = hasBoth ? fs::path(path) / (split == Split::train ? kTrain : kTest) : fs::path(path);
  std::vector<Candidate> chosen;
  for (size_t label = 0; label < classNames.size(); ++label) {
    const std::string& name = classNames[label];
    std::vector<Candidate> found = candidates(place, name, static_cast<uint8_t>(label));
    const std::string folder = (place / name).string();
    if (found.empty())
      throw Error(text(folder, ": holds no pictures (.png, .jpg, .bmp, .webp, .tif, .ppm ...)"));
    if (!hasBoth) {
      if (found.size() < 2)
        throw Error(
            text(folder, ": found 1 picture, expected at least 2: one to train on and one to test with"));
      const auto border = found.begin() + static_cast<int64_t>((found.size() + kTestShare - 1) / kTestShare);
      if (split == Split::train)
        found.erase(found.begin(), border);
      else
        found.erase(border, found.end());
    }
    chosen.insert(chosen.end(), found.begin(), found.end());
  }
  std::sort(chosen.begin(), chosen.end());
  std::vector<Picture> pictures;
  for (const Candidate& candidate : chosen)
    pictures.push_back({(place / candidate.name).string(), candidate.label});
  return pictures;
}

ImageSet readPictureFolder(const std::string& path, Split split, const std::vector<int64_t>& shape,
                           const LoadProgress& progress) {
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3) || shape[1] < 1 || shape[2] < 1)
    throw Error(
        text(path, ": the model reads no pictures; expected an input of 1 (grey) or 3 (colour) channels"));
  ImageSet set;
  set.channels = shape[0];
  set.height = shape[1];
  set.width = shape[2];
  std::vector<std::string> paths;
  for (const PictureFolder::Picture& picture : PictureFolder(path).list(split)) {
    paths.push_back(picture.path);
    set.labels.push_back(picture.label);
  }
  set.count = static_cast<int64_t>(paths.size());
  const double needed = static_cast<double>(set.count) * static_cast<double>(set.imageSize());
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  constexpr double kGiB = 1 << 30;
  if (needed > memory)
    throw Error(text(path, ": ", set.count, " pictures of ", set.width, "x", set.height, " need ",
                     needed / kGiB, " GiB, this machine has ", memory / kGiB,
                     "; use fewer pictures or a smaller input"));
  set.pixels.resize(static_cast<size_t>(set.count * set.imageSize()));
  readPictures(paths, shape, set.pixels.data(), progress);
  return set;
}

}  // namespace rdi::train
