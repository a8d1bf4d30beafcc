// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/idx.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

using test::idxBytes;
using test::TemporaryFolder;
using test::writeFile;

void writeGzip(const std::string& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(file);
}

class Idx : public testing::Test {
protected:
  void SetUp() override {
    writeFile(images_, idxBytes(3, {2, 2, 3}, {0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255}));
    writeFile(labels_, idxBytes(1, {2}, {9, 0}));
  }

  // The message must hold every part given.
  void expectRefused(const std::vector<std::string>& parts) {
    try {
      readIdx(images_, labels_, 10);
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      for (const std::string& part : parts)
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
            << error.what() << "\nlacks " << part;
    }
  }

  TemporaryFolder folder_;
  std::string images_ = folder_.path("images"), labels_ = folder_.path("labels");
};

TEST_F(Idx, RawFilesAreReadAsTheyAre) {
  const ImageSet set = readIdx(images_, labels_, 10);
  EXPECT_EQ(set.count, 2);
  EXPECT_EQ(set.channels, 1);
  EXPECT_EQ(set.height, 2);
  EXPECT_EQ(set.width, 3);
  EXPECT_EQ(set.pixels[5], 5);
  EXPECT_EQ(set.pixels[6], 250);
  EXPECT_EQ(set.labels, (std::vector<uint8_t>{9, 0}));
  const ImageSet second = set.slice(1, 1);
  EXPECT_EQ(second.pixels[0], 250);
  EXPECT_EQ(second.labels[0], 0);
}

TEST_F(Idx, GzipFilesAreTheSame) {
  const ImageSet raw = readIdx(images_, labels_, 10);
  writeGzip(images_, graph::readFile(images_));
  writeGzip(labels_, graph::readFile(labels_));
  const ImageSet packed = readIdx(images_, labels_, 10);
  EXPECT_EQ(packed.pixels, raw.pixels);
  EXPECT_EQ(packed.labels, raw.labels);
}

TEST_F(Idx, AShortFileIsRefusedWithBothSizes) {
  writeFile(images_, graph::readFile(images_).substr(0, 20));
  expectRefused({images_, "found 4 bytes", "expected 12"});
  writeFile(images_, graph::readFile(images_).substr(0, 10));
  expectRefused({images_, "header"});
  writeFile(images_, "");
  expectRefused({images_, "header"});
}

TEST_F(Idx, ACutOrDamagedGzipFileIsRefused) {
  writeGzip(images_, graph::readFile(images_));
  const std::string packed = graph::readFile(images_);
  writeFile(images_, packed.substr(0, packed.size() - 12));
  expectRefused({images_});
  std::string damaged = packed;
  damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] ^ 0x55);  // in the checksum
  writeFile(images_, damaged);
  expectRefused({images_});
}

TEST_F(Idx, TrailingBytesAreRefused) {
  writeFile(labels_, graph::readFile(labels_) + "x");
  expectRefused({labels_, "more data than the 2 bytes"});
}

TEST_F(Idx, AWrongMagicNumberIsRefused) {
  writeFile(images_, graph::readFile(labels_));
  expectRefused({images_, "2049", "expected 2051"});
  writeFile(images_, "this is no idx file at all");
  expectRefused({images_, "expected 2051"});
}

TEST_F(Idx, AHeaderThatAsksForTooMuchIsRefusedWithoutTakingTheMemory) {
  writeFile(images_, idxBytes(3, {0xffffffff, 0xffffffff, 0xffffffff}, {}));
  expectRefused({images_, "16 GiB"});
  writeFile(images_, idxBytes(3, {60000, 500, 500}, {1, 2, 3}));
  expectRefused({images_, "found 3 bytes"});
}

TEST_F(Idx, LabelsOutsideTheClassesAreRefused) {
  writeFile(labels_, idxBytes(1, {2}, {9, 10}));
  expectRefused({labels_, "label 10 at item 1", "expected 0 to 9"});
}

TEST_F(Idx, DifferentCountsAreRefused) {
  writeFile(labels_, idxBytes(1, {3}, {1, 2, 3}));
  expectRefused({labels_, "found 3 labels", "expected 2", images_});
  writeFile(images_, idxBytes(3, {0, 2, 3}, {}));
  writeFile(labels_, idxBytes(1, {0}, {}));
  expectRefused({images_, "found 0 images"});
}

}  // namespace
}  // namespace rdi::train
