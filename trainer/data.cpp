// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/data.hpp"

#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <random>

#include "graph/error.hpp"
#include "trainer/cifar10.hpp"
#include "trainer/idx.hpp"
#include "trainer/picture_folder.hpp"

namespace rdi::train {
namespace {

constexpr const char* kFashionFolder = "/usr/share/datasets/fashion-mnist";

}  // namespace

ImageSet ImageSet::slice(int64_t first, int64_t number) const {
  ImageSet part;
  part.count = number;
  part.channels = channels;
  part.height = height;
  part.width = width;
  part.pixels.assign(pixels.begin() + first * imageSize(), pixels.begin() + (first + number) * imageSize());
  part.labels.assign(labels.begin() + first, labels.begin() + first + number);
  return part;
}

ImageSet ImageSet::select(const std::vector<int64_t>& places) const {
  ImageSet part = slice(0, 0);
  part.count = static_cast<int64_t>(places.size());
  part.pixels.reserve(places.size() * static_cast<size_t>(imageSize()));
  for (int64_t place : places) {
    const auto first = pixels.begin() + place * imageSize();
    part.pixels.insert(part.pixels.end(), first, first + imageSize());
    part.labels.push_back(labels[static_cast<size_t>(place)]);
  }
  return part;
}

ImageSet DataSource::load(Split split, const LoadProgress& progress) const {
  switch (format) {
    case Format::idx:
      return readIdxFolder(folder, name, split, static_cast<int64_t>(classNames.size()));
    case Format::cifar10:
      return readCifar10Folder(folder, split);
    case Format::pictures:
      return readPictureFolder(folder, split, pictureShape, progress);
  }
  throw Error(text(name, ": has no reader"));
}

std::string knownData() {
  return "mnist:FOLDER, fashion-mnist[:FOLDER], cifar10:FOLDER or folder:PATH (pictures)";
}

DataSource dataSource(const std::string& specification) {
  const size_t colon = specification.find(':');
  DataSource source;
  source.name = specification.substr(0, colon);
  if (colon != std::string::npos) source.folder = specification.substr(colon + 1);
  if (source.name == "mnist") {
    source.classNames = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  } else if (source.name == "fashion-mnist") {
    source.classNames = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                         "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    if (colon == std::string::npos) source.folder = kFashionFolder;
  } else if (source.name == "cifar10") {
    source.format = DataSource::Format::cifar10;
    source.classNames = {"airplane", "automobile", "bird",  "cat",  "deer",
                         "dog",      "frog",       "horse", "ship", "truck"};
  } else if (source.name == "folder") {
    source.format = DataSource::Format::pictures;
  } else {
    throw Error(text("data set \"", source.name, "\" is not known; known are ", knownData()));
  }
  if (source.folder.empty())
    throw Error(text("data set \"", specification, "\" names no folder; expected ", source.name, ":FOLDER"));
  if (source.format == DataSource::Format::pictures) {
    source.classNames = PictureFolder(source.folder).classNames;
    // Results and recipes name the data, not where they lie on this machine.
    const auto normal = (std::filesystem::absolute(source.folder) / "").lexically_normal();
    source.name += ":" + normal.parent_path().filename().string();
  }
  return source;
}

std::vector<int64_t> drawnOrder(int64_t count, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed);  // std::shuffle differs between standard libraries
  for (size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[random() % left]);
  return order;
}

ImageSet trainingPart(const ImageSet& images, int64_t heldOut, uint64_t seed) {
  if (heldOut < 0 || heldOut >= images.count)
    throw Error(text("--held-out: found ", heldOut, " images to hold out of ", images.count,
                     ", expected 0 to ", images.count - 1));
  if (seed == 0) return images.slice(0, images.count - heldOut);
  std::vector<int64_t> places = drawnOrder(images.count, seed);
  places.erase(places.begin(), places.begin() + heldOut);
  std::sort(places.begin(), places.end());
  return images.select(places);
}

ImageSet heldOutPart(const ImageSet& images, int64_t heldOut, uint64_t seed) {
  if (heldOut < 1 || heldOut >= images.count)
    throw Error(text("--held-out: found ", heldOut, " images to hold out of ", images.count,
                     ", expected 1 to ", images.count - 1));
  if (seed == 0) return images.slice(images.count - heldOut, heldOut);
  std::vector<int64_t> places = drawnOrder(images.count, seed);
  places.resize(static_cast<size_t>(heldOut));
  return images.select(places);
}

uint32_t checksumOf(const ImageSet& images) {
  const uLong pixels = crc32_z(0, images.pixels.data(), images.pixels.size());
  return static_cast<uint32_t>(crc32_z(pixels, images.labels.data(), images.labels.size()));
}

}  // namespace rdi::train
