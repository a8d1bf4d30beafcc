// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/data.hpp"

#include <gtest/gtest.h>

#include <algorithm>
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

// Which images of `all` these are, by their pixels; the images of a test set are all different.
std::vector<int64_t> placesOf(const ImageSet& part, const ImageSet& all) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < part.count; ++i)
    for (int64_t place = 0; place < all.count; ++place)
      if (part.slice(i, 1).pixels == all.slice(place, 1).pixels) {
        EXPECT_EQ(part.labels[static_cast<size_t>(i)], all.labels[static_cast<size_t>(place)]);
        places.push_back(place);
      }
  return places;
}

TEST(HeldOut, TheLastImagesForSeedZero) {
  TemporaryFolder folder;
  const ImageSet all = dataSource(test::writeTinyData(folder.path(), 50, 10)).load(Split::train);
  const ImageSet trained = trainingPart(all, 20, 0), heldOut = heldOutPart(all, 20, 0);
  EXPECT_EQ(trained.count, 30);
  EXPECT_EQ(heldOut.count, 20);
  std::vector<uint8_t> both = trained.pixels;
  both.insert(both.end(), heldOut.pixels.begin(), heldOut.pixels.end());
  EXPECT_EQ(both, all.pixels);
}

TEST(HeldOut, ASeedDrawsFromTheWholeSetAndNothingIsTrainedOn) {
  TemporaryFolder folder;
  const ImageSet all = dataSource(test::writeTinyData(folder.path(), 50, 10)).load(Split::train);
  for (const uint64_t seed : {1, 2}) {
    const std::vector<int64_t> trained = placesOf(trainingPart(all, 20, seed), all);
    const std::vector<int64_t> heldOut = placesOf(heldOutPart(all, 20, seed), all);
    ASSERT_EQ(trained.size(), 30U);
    ASSERT_EQ(heldOut.size(), 20U);
    EXPECT_TRUE(std::is_sorted(trained.begin(), trained.end()));
    std::vector<int64_t> both = trained;
    both.insert(both.end(), heldOut.begin(), heldOut.end());
    std::sort(both.begin(), both.end());
    for (int64_t i = 0; i < 50; ++i) EXPECT_EQ(both[static_cast<size_t>(i)], i);
    EXPECT_LT(*std::min_element(heldOut.begin(), heldOut.end()), 30) << "not the last ones";
    // Fewer are the first of these: whoever asks for less gets none that was trained on.
    const std::vector<int64_t> fewer = placesOf(heldOutPart(all, 5, seed), all);
    EXPECT_EQ(fewer, std::vector<int64_t>(heldOut.begin(), heldOut.begin() + 5));
  }
  EXPECT_NE(placesOf(heldOutPart(all, 20, 1), all), placesOf(heldOutPart(all, 20, 2), all));
}

TEST(HeldOut, TheDrawIsTheSameEverywhere) {
  // Worked out by another program from the generator's definition (mt19937_64).
  EXPECT_EQ(drawnOrder(6, 1), (std::vector<int64_t>{1, 3, 0, 4, 5, 2}));
  EXPECT_EQ(drawnOrder(10, 7), (std::vector<int64_t>{0, 7, 4, 9, 3, 1, 2, 8, 6, 5}));
  EXPECT_TRUE(drawnOrder(0, 1).empty());
}

TEST(HeldOut, SomethingIsLeftToTrainOn) {
  TemporaryFolder folder;
  const ImageSet all = dataSource(test::writeTinyData(folder.path(), 50, 10)).load(Split::train);
  for (const uint64_t seed : {0, 1}) {
    EXPECT_THROW(trainingPart(all, 50, seed), Error);
    EXPECT_THROW(heldOutPart(all, 0, seed), Error);
    EXPECT_THROW(heldOutPart(all, 50, seed), Error);
    EXPECT_EQ(trainingPart(all, 0, seed).pixels, all.pixels);
  }
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
