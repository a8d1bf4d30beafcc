// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

#include "trainer/data.hpp"

namespace rdi::train {

/// Pictures sorted into folders, one folder a class:
///
///     PATH/train/CLASS/... and PATH/test/CLASS/...     or
///     PATH/CLASS/...                                    of which a fifth of each class is for tests
///
/// Pictures are the files at any depth below CLASS that end in .png, .jpg, .jpeg, .bmp, .webp, .tif, .tiff,
/// .ppm, .pgm or .pbm; other files and hidden ones are left alone. Their order, and which are for tests, is
/// drawn by a hash of their names: it looks random, and is the same on every machine.
struct PictureFolder {
  std::string path;
  std::vector<std::string> classNames;  // names of the class folders, sorted

  /// Throws rdi::Error naming the folder when there is none, when it holds fewer than 2 or more than 256
  /// classes, or when the classes of train and test differ.
  explicit PictureFolder(const std::string& path);

  struct Picture {
    std::string path;
    uint8_t label = 0;
  };
  /// Throws rdi::Error naming the class that holds no pictures, or, where train and test share a folder, only
  /// one.
  std::vector<Picture> list(Split split) const;
};

/// Reads all of a split and brings it to `shape`; see readPictures.
ImageSet readPictureFolder(const std::string& path, Split split, const std::vector<int64_t>& shape,
                           const LoadProgress& progress);

}  // namespace rdi::train
