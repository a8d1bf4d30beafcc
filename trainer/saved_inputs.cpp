// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/saved_inputs.hpp"

#include <algorithm>
#include <filesystem>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "inputs";
constexpr const char* kLabels = "labels.npy";
constexpr const char* kScores = ".scores.npy";
constexpr const char* kImages = ".npy";
constexpr const char* kAdvice = "run rdi-evaluate MODEL.onnx ... --output FOLDER --save-inputs first";

bool endsWith(const std::string& name, const std::string& end) {
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

std::string savedName(const std::string& rowName) {
  std::string name = rowName;
  std::replace(name.begin(), name.end(), ' ', '_');
  std::replace(name.begin(), name.end(), ':', '-');
  return name;
}

SavedInputs savedInputs(const std::string& folder, const std::string& rowName) {
  const std::string name = savedName(rowName);
  const fs::path base = fs::path(folder) / kFolder;
  return {name, (base / (name + kImages)).string(), (base / (name + kScores)).string()};
}

std::string savedLabels(const std::string& folder) { return (fs::path(folder) / kFolder / kLabels).string(); }

std::vector<SavedInputs> listSavedInputs(const std::string& folder) {
  const fs::path base = fs::path(folder) / kFolder;
  std::error_code problem;
  if (!fs::is_directory(base, problem))
    throw Error(text(folder, ": holds no folder \"", kFolder, "\" of saved inputs; ", kAdvice));
  std::vector<SavedInputs> all;
  for (const fs::directory_entry& entry : fs::directory_iterator(base)) {
    const std::string file = entry.path().filename().string();
    if (!endsWith(file, kImages) || endsWith(file, kScores) || file == kLabels) continue;
    all.push_back(savedInputs(folder, file.substr(0, file.size() - std::string(kImages).size())));
    if (!fs::exists(all.back().scores))
      throw Error(text(all.back().images, ": ", fs::path(all.back().scores).filename().string(),
                       " is not beside it; ", kAdvice));
  }
  if (all.empty()) throw Error(text(base.string(), ": holds no saved inputs (NAME.npy); ", kAdvice));
  if (!fs::exists(savedLabels(folder)))
    throw Error(text(base.string(), ": holds no ", kLabels, "; ", kAdvice));
  std::sort(all.begin(), all.end(), [](const SavedInputs& a, const SavedInputs& b) {
    return std::pair(a.name != "clean", a.name) < std::pair(b.name != "clean", b.name);
  });
  return all;
}

}  // namespace rdi::train
