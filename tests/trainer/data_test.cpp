// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/data.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "graph/error.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

using test::TemporaryFolder;

TEST(DataSource, NamesAreKnownOrListed) {
  EXPECT_EQ(dataSource("mnist:some/folder").folder, "some/folder");
  EXPECT_EQ(dataSource("fashion-mnist").folder, "/usr/share/datasets/fashion-mnist");
  EXPECT_EQ(dataSource("fashion-mnist:here").classNames.at(9), "Ankle boot");
  EXPECT_EQ(dataSource("cifar10:here").classNames.at(9), "truck");
  for (const char* name : {"", "mnist", "mnist:", "cifar", "fashion-mnist:", "cifar10"})
    EXPECT_THROW(dataSource(name), Error) << name;
  try {
    dataSource("imagenet:x");
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(knownData()), std::string::npos);
  }
}

TEST(DataSource, AMissingFileIsNamed) {
  TemporaryFolder folder;
  try {
    dataSource("mnist:" + folder.path()).load(Split::test);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("t10k-images-idx3-ubyte"), std::string::npos) << error.what();
  }
}

TEST(DataSource, HeldOutImagesAreTheLastAndNeverInTheTrainingPart) {
  TemporaryFolder folder;
  const ImageSet all = dataSource(test::writeTinyData(folder.path(), 50, 10)).load(Split::train);
  const ImageSet trained = trainingPart(all, 20), heldOut = heldOutPart(all, 20);
  EXPECT_EQ(trained.count, 30);
  EXPECT_EQ(heldOut.count, 20);
  std::vector<uint8_t> both = trained.pixels;
  both.insert(both.end(), heldOut.pixels.begin(), heldOut.pixels.end());
  EXPECT_EQ(both, all.pixels);
  EXPECT_THROW(trainingPart(all, 50), Error);
  EXPECT_THROW(heldOutPart(all, 0), Error);
}

TEST(DataSource, DebiansFashionMnistIsRead) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist"))
    GTEST_SKIP() << "Debian's package dataset-fashion-mnist is not installed";
  const ImageSet test = dataSource("fashion-mnist").load(Split::test);
  EXPECT_EQ(test.count, 10000);
  EXPECT_EQ(test.imageSize(), 784);
  EXPECT_EQ(test.labels[0], 9);  // an ankle boot
}

TEST(DataSource, MnistIsRead) {
  const std::string folder = test::dataFolder("mnist");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " does not exist; set RDI_DATA";
  const ImageSet train = dataSource("mnist:" + folder).load(Split::train);
  EXPECT_EQ(train.count, 60000);
  EXPECT_EQ(train.labels[0], 5);
  EXPECT_EQ(train.labels[1], 0);
}

}  // namespace
}  // namespace rdi::train
