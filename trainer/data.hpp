// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace rdi::train {

/// Labelled pictures, as they lie in their files.
struct ImageSet {
  int64_t count = 0, channels = 0, height = 0, width = 0;
  std::vector<uint8_t> pixels;  // count x channels x height x width, 0..255
  std::vector<uint8_t> labels;  // count, each below the number of classes

  int64_t imageSize() const { return channels * height * width; }

  /// Images first .. first + number - 1.
  ImageSet slice(int64_t first, int64_t number) const;
  /// Those at these places, in this order.
  ImageSet select(const std::vector<int64_t>& places) const;
};

/// CRC-32 of pixels and labels: the same data has the same.
uint32_t checksumOf(const ImageSet& images);

enum class Split { train, test };

/// Told how many of how many pictures are read.
using LoadProgress = std::function<void(int64_t done, int64_t all)>;

/// A data set that can be loaded.
struct DataSource {
  enum class Format { idx, cifar10, pictures };

  Format format = Format::idx;
  std::string name;    // e.g. fashion-mnist
  std::string folder;  // where its files lie
  std::vector<std::string> classNames;
  std::vector<int64_t> pictureShape;  // channels, height, width that `pictures` are brought to: the model's

  /// Throws rdi::Error naming file, found and expected when a file is missing, damaged or does not fit the
  /// others. The training set's order is the same each time; that of `pictures` mixes the classes.
  ImageSet load(Split split, const LoadProgress& progress = {}) const;
};

/// What dataSource() understands, for help texts and messages.
std::string knownData();

/// From one of knownData(), such as `cifar10:FOLDER`. Throws rdi::Error listing them, and for a folder of
/// pictures without classes.
DataSource dataSource(const std::string& specification);

/// 0 .. count - 1 in an order drawn by `seed`, the same on every machine.
std::vector<int64_t> drawnOrder(int64_t count, uint64_t seed);

/// The training set without, and only, `heldOut` images: those are for thresholds and for watching a
/// training, and are never trained on. Seed 0: the last ones, which is a fair draw only where the images lie
/// in no order. Any other seed draws them from the whole set, and heldOutPart gives them in the order drawn,
/// so that a part of them is a fair draw too. Throws rdi::Error when nothing would be left to train on.
ImageSet trainingPart(const ImageSet& images, int64_t heldOut, uint64_t seed);
ImageSet heldOutPart(const ImageSet& images, int64_t heldOut, uint64_t seed);

}  // namespace rdi::train
