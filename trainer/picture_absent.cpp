// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Stands for picture_opencv.cpp in a build without OpenCV.

#include "graph/error.hpp"
#include "trainer/picture.hpp"

namespace rdi::train {

void readPictures(const std::vector<std::string>&, const std::vector<int64_t>&, uint8_t*,
                  const LoadProgress&) {
  throw Error(
      "folder:PATH: this program was built without OpenCV, which reads the pictures; install libopencv-dev "
      "and "
      "build again with RDI_TRAINER_WITH_OPENCV=ON");
}

}  // namespace rdi::train
