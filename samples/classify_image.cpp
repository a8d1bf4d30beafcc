// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Classifies pictures and folders of pictures; says at which exit each one was answered and what that saved.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <opencv2/imgcodecs.hpp>
#include <set>

#include "arguments.hpp"
#include "classifier.hpp"
#include "contact_sheet.hpp"
#include "drawing.hpp"

namespace fs = std::filesystem;

namespace {

constexpr char kUsage[] =
    "MODEL PICTURE|FOLDER... [--sheet OUT.png] [--operating-point NAME]\n"
    "  MODEL    early-exit ONNX file (rdi-convert writes it)\n"
    "  --sheet  also draws all pictures with class and exit into one\n"
    "  --operating-point  the exit rule of this name in MODEL, e.g. careful\n"
    "Unreadable pictures are named and left out; the exit code is then 1.\n";

bool looksLikePicture(const fs::path& path) {
  static const std::set<std::string> kExtensions = {".png", ".jpg", ".jpeg", ".bmp",  ".webp",
                                                    ".pgm", ".ppm", ".tif",  ".tiff", ".jp2"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return kExtensions.count(extension) > 0;
}

/// The files named, and the pictures in the folders named, sorted.
std::vector<std::string> picturesIn(const std::vector<std::string>& paths) {
  std::vector<std::string> pictures;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      pictures.push_back(path);
      continue;
    }
    std::vector<std::string> inFolder;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.is_regular_file() && looksLikePicture(entry.path()))
        inFolder.push_back(entry.path().string());
    }
    if (inFolder.empty()) std::cerr << path << ": holds no pictures\n";
    std::sort(inFolder.begin(), inFolder.end());
    pictures.insert(pictures.end(), inFolder.begin(), inFolder.end());
  }
  return pictures;
}

/// Empty, with a message, when it cannot be read.
cv::Mat readPicture(const std::string& path) {
  if (!fs::exists(path)) {
    std::cerr << path << ": there is no such file\n";
    return {};
  }
  cv::Mat picture;
  try {
    picture = cv::imread(path, cv::IMREAD_COLOR);
  } catch (const cv::Exception&) {
    picture.release();  // too large or damaged
  }
  if (picture.empty()) std::cerr << path << ": not a picture that OpenCV can read\n";
  return picture;
}

int run(int argc, char** argv) {
  const Arguments arguments(argc, argv, {"sheet", "operating-point"});
  if (arguments.words().size() < 2) throw WrongUsage("expected a model and at least one picture or folder");
  Classifier classifier(arguments.words()[0], arguments.get("operating-point"));
  const std::vector<std::string> pictures =
      picturesIn({arguments.words().begin() + 1, arguments.words().end()});

  std::vector<Tile> tiles;
  std::printf("%-32s %-18s %10s  %-8s %14s\n", "file", "class", "confidence", "exit", "running saving");
  for (const std::string& path : pictures) {
    const cv::Mat picture = readPicture(path);
    if (picture.empty()) continue;
    const Answer answer = classifier.classify(picture);
    const std::string label = classifier.className(answer.classId);
    std::printf("%-32s %-18s %10s  %-8s %14s\n", path.c_str(), label.c_str(),
                percent(answer.confidence).c_str(), classifier.exits()[answer.exit].name.c_str(),
                percent(classifier.runningSaving()).c_str());
    tiles.push_back({picture, label, answer.confidence, answer.exit, ""});
  }
  if (tiles.empty()) throw std::runtime_error("no picture could be classified");

  if (arguments.has("sheet")) {
    SheetOptions options;
    options.title = "Answered at the earliest sure exit";
    options.subtitle = std::to_string(tiles.size()) +
                       " picture(s), computation saved: " + percent(classifier.runningSaving());
    for (const rdi::ExitInfo& exit : classifier.exits()) options.exitNames.push_back(exit.name);
    writePicture(arguments.get("sheet"), contactSheet(tiles, options));
    std::printf("contact sheet: %s\n", arguments.get("sheet").c_str());
  }
  return tiles.size() == pictures.size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return runSample(argc, argv, kUsage, [&] { return run(argc, argv); });
}
