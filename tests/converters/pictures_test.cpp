// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/pictures.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "graph/error.hpp"

namespace rdi::convert {
namespace {

namespace fs = std::filesystem;

class PicturesTest : public testing::Test {
protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return (folder_ / name).string();
  }

  std::string refusal(const std::string& path) const {
    try {
      readPictures(path, 10);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  fs::path folder_ = fs::path(testing::TempDir()) / ("rdi-pictures-" + std::to_string(getpid()));
};

/// `count` pictures of 2 x 3 pixels, each of its own number.
std::string idx(char count) {
  std::string bytes("\0\0\x08\x03\0\0\0", 7);
  bytes += count + std::string("\0\0\0\x02\0\0\0\x03", 8);
  for (char i = 0; i < count; ++i) bytes += std::string(6, i);
  return bytes;
}

std::string npy(const std::string& type, const std::string& shape, size_t values) {
  std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size());
  bytes += '\0' + header;
  const float half = 0.5f;
  char raw[4];
  std::memcpy(raw, &half, 4);
  for (size_t i = 0; i < values; ++i) bytes.append(raw, 4);
  return bytes;
}

TEST_F(PicturesTest, AreSpreadOverAnIdxFile) {
  const Pictures all = readPictures(write("a", idx(6)), 100);
  EXPECT_EQ(all.pixels.size(), 6u);
  EXPECT_EQ(all.channels, 1);
  EXPECT_EQ(all.height, 2);
  EXPECT_EQ(all.width, 3);
  const Pictures some = readPictures((folder_ / "a").string(), 3);
  ASSERT_EQ(some.pixels.size(), 3u);
  EXPECT_EQ(some.pixels[0][0], 0);
  EXPECT_EQ(some.pixels[1][5], 2);
  EXPECT_EQ(some.pixels[2][0], 4);
}

TEST_F(PicturesTest, AreTheSameWhenTheFileIsPacked) {
  const std::string path = (folder_ / "train-images-idx3-ubyte.gz").string(), bytes = idx(6);
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  const auto expected = readPictures(write("a", bytes), 4).pixels;
  EXPECT_EQ(readPictures(path, 4).pixels, expected);
  EXPECT_EQ(readPictures(folder_.string(), 4).pixels, expected) << "a folder stands for the file";
  EXPECT_EQ(readPictures("mnist:" + folder_.string(), 4).pixels, expected);
}

TEST_F(PicturesTest, OfCifar10SkipTheLabels) {
  std::string bytes;
  for (char i = 0; i < 4; ++i) bytes += '\x09' + std::string(3072, i);
  const Pictures pictures = readPictures(write("data_batch_1.bin", bytes), 2);
  ASSERT_EQ(pictures.pixels.size(), 2u);
  EXPECT_EQ(pictures.channels, 3);
  EXPECT_EQ(pictures.pixels[1], std::vector<float>(3072, 2));
  EXPECT_EQ(readPictures("cifar10:" + folder_.string(), 2).pixels, pictures.pixels);
}

TEST_F(PicturesTest, OfNumPyAreFrom0To1) {
  const Pictures pictures = readPictures(write("a.npy", npy("<f4", "(2, 3, 4, 5)", 120)), 9);
  EXPECT_EQ(pictures.pixels.size(), 2u);
  EXPECT_EQ(pictures.width, 5);
  EXPECT_EQ(pictures.pixels[1][59], 127.5f);
}

TEST_F(PicturesTest, RefusesWhatItCannotReadByName) {
  const std::string folder = folder_.string();
  EXPECT_NE(refusal(folder).find("train-images-idx3-ubyte"), std::string::npos);
  EXPECT_NE(refusal(folder + "/none").find("cannot be opened"), std::string::npos);
  EXPECT_NE(refusal(write("cut", idx(6).substr(0, 40))).find("cut: ends"), std::string::npos);
  EXPECT_NE(refusal(write("short", "abc")).find("header"), std::string::npos);
  EXPECT_NE(refusal(write("text", std::string(100, 'a'))).find("magic number"), std::string::npos);
  EXPECT_NE(refusal(write("none", idx(0))).find("0 pictures"), std::string::npos);
  EXPECT_NE(refusal(write("a.bin", std::string(3074, 0))).find("3074 bytes"), std::string::npos);
  EXPECT_NE(refusal(write("b.npy", npy("<f8", "(2, 3, 4, 5)", 120))).find("<f8"), std::string::npos);
  EXPECT_NE(refusal(write("c.npy", npy("<f4", "(2, 60)", 120))).find("(2, 60)"), std::string::npos);
  EXPECT_NE(refusal(write("d.npy", npy("<f4", "(2, 3, 4, 5)", 119))).find("ends"), std::string::npos);
  EXPECT_NE(refusal(write("e.npy", npy("<f4", "(2, 3, 999999999, 999999999)", 1))).find("expected"),
            std::string::npos);
}

TEST(ModelInputs, FollowThePreprocessing) {
  Pictures pictures{3, 1, 2, {{10, 20, 30, 40, 50, 60}}};
  graph::Preprocessing preprocessing;
  preprocessing.scale = 0.5;
  preprocessing.mean = {1, 2, 3};
  preprocessing.height = 1;
  preprocessing.width = 2;
  preprocessing.swapRB = true;
  EXPECT_EQ(modelInputs(pictures, preprocessing)[0], (std::vector<float>{4.5f, 9.5f, 14, 19, 23.5f, 28.5f}));
  preprocessing.swapRB = false;  // the model wants blue first
  EXPECT_EQ(modelInputs(pictures, preprocessing)[0], (std::vector<float>{24.5f, 29.5f, 14, 19, 3.5f, 8.5f}));
  preprocessing.channels = 1;
  EXPECT_THROW(modelInputs(pictures, preprocessing), Error);
}

}  // namespace
}  // namespace rdi::convert
