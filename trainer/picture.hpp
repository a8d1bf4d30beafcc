// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/data.hpp"

namespace rdi::train {

/// Decodes picture files and brings each to `shape` (channels x height x width; 1 channel is grey, 3 are red,
/// green, blue) as a deployed program does by rdi::blobFromImage(cv::imread(path), info), to the bit but for
/// the scale. Writes paths.size() x shape values to `pixels`. Throws rdi::Error naming the file that is
/// damaged or no picture, and, in a build without OpenCV, always.
void readPictures(const std::vector<std::string>& paths, const std::vector<int64_t>& shape, uint8_t* pixels,
                  const LoadProgress& progress);

}  // namespace rdi::train
