// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Linked with picture_absent.cpp in the place of the reader.

#include <gtest/gtest.h>

#include "graph/error.hpp"
#include "trainer/picture.hpp"

namespace rdi::train {
namespace {

TEST(PicturesWithoutOpenCv, TheMessageSaysWhatToInstall) {
  uint8_t pixel = 0;
  try {
    readPictures({"a.png"}, {1, 1, 1}, &pixel, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("libopencv-dev"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace rdi::train
