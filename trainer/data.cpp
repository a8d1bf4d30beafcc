// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/data.hpp"

#include "graph/error.hpp"
#include "trainer/cifar10.hpp"
#include "trainer/idx.hpp"

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

ImageSet DataSource::load(Split split) const {
  switch (format) {
    case Format::idx:
      return readIdxFolder(folder, name, split, static_cast<int64_t>(classNames.size()));
    case Format::cifar10:
      return readCifar10Folder(folder, split);
  }
  throw Error(text(name, ": has no reader"));
}

std::string knownData() { return "mnist:FOLDER, fashion-mnist[:FOLDER] or cifar10:FOLDER"; }

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
  } else {
    throw Error(text("data set \"", source.name, "\" is not known; known are ", knownData()));
  }
  if (source.folder.empty())
    throw Error(text("data set \"", specification, "\" names no folder; expected ", source.name, ":FOLDER"));
  return source;
}

ImageSet trainingPart(const ImageSet& images, int64_t heldOut) {
  if (heldOut < 0 || heldOut >= images.count)
    throw Error(text("found ", heldOut, " images to hold out of ", images.count, ", expected 0 to ",
                     images.count - 1));
  return images.slice(0, images.count - heldOut);
}

ImageSet heldOutPart(const ImageSet& images, int64_t heldOut) {
  if (heldOut < 1 || heldOut >= images.count)
    throw Error(text("found ", heldOut, " images to hold out of ", images.count, ", expected 1 to ",
                     images.count - 1));
  return images.slice(images.count - heldOut, heldOut);
}

}  // namespace rdi::train
