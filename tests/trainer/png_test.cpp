// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/png.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

using Bytes = std::vector<uint8_t>;

uint32_t numberAt(const Bytes& bytes, size_t at) {
  return uint32_t{bytes.at(at)} << 24 | uint32_t{bytes.at(at + 1)} << 16 | uint32_t{bytes.at(at + 2)} << 8 |
         bytes.at(at + 3);
}

/// A PNG file taken apart: chunks in their order, their checksums right.
struct Png {
  std::string types;
  Bytes header, lines;

  explicit Png(const Bytes& file) {
    const Bytes signature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    EXPECT_TRUE(std::equal(signature.begin(), signature.end(), file.begin()));
    Bytes packed;
    for (size_t at = 8; at < file.size();) {
      const uint32_t length = numberAt(file, at);
      const std::string type(file.begin() + static_cast<long>(at) + 4,
                             file.begin() + static_cast<long>(at) + 8);
      const Bytes data(file.begin() + static_cast<long>(at) + 8,
                       file.begin() + static_cast<long>(at) + 8 + static_cast<long>(length));
      EXPECT_EQ(numberAt(file, at + 8 + length), crc32(0, &file[at + 4], length + 4)) << type;
      types += type + " ";
      if (type == "IHDR") header = data;
      if (type == "IDAT") packed = data;
      at += 12 + length;
    }
    lines.resize(10000);
    uLongf size = lines.size();
    EXPECT_EQ(uncompress(lines.data(), &size, packed.data(), packed.size()), Z_OK);
    lines.resize(size);
  }
};

TEST(Png, GreyPicturesKeepTheirPixels) {
  const Png png(toPng({0, 50, 100, 150, 200, 255}, 1, 2, 3));
  EXPECT_EQ(png.types, "IHDR IDAT IEND ");
  EXPECT_EQ(png.header, (Bytes{0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0}));
  EXPECT_EQ(png.lines, (Bytes{0, 0, 50, 100, 0, 150, 200, 255}));  // a filter byte before each line
}

TEST(Png, PlanesOfAColourPictureAreInterleaved) {
  const Png png(toPng({1, 2, 11, 12, 21, 22}, 3, 1, 2));
  EXPECT_EQ(png.header, (Bytes{0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0}));
  EXPECT_EQ(png.lines, (Bytes{0, 1, 11, 21, 2, 12, 22}));
}

TEST(Png, OtherShapesAreRefused) {
  EXPECT_THROW(toPng(Bytes(8), 2, 2, 2), Error);
  EXPECT_THROW(toPng(Bytes(5), 1, 2, 3), Error);
  EXPECT_THROW(toPng({}, 1, 0, 3), Error);
}

}  // namespace
}  // namespace rdi::train
