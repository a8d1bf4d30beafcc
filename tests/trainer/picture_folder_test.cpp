// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/picture_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <opencv2/dnn.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <set>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/picture.hpp"

namespace rdi::train {
namespace {

namespace fs = std::filesystem;
using test::messageOf;
using test::writeFile;

const std::vector<int64_t> kGrey = {1, 8, 8}, kColour = {3, 20, 24};

class Pictures : public testing::Test {
protected:
  // A grey picture of one value.
  void add(const std::string& name, uint8_t value) const {
    fs::create_directories(fs::path(folder_.path(name)).parent_path());
    writeFile(folder_.path(name), "P5 8 8 255\n" + std::string(64, static_cast<char>(value)));
  }
  void addMany(const std::string& folder, int count, uint8_t value) const {
    for (int i = 0; i < count; ++i) add(folder + "/" + std::to_string(i) + ".pgm", value);
  }

  ImageSet read(Split split, const std::vector<int64_t>& shape = kGrey) const {
    return readPictureFolder(folder_.path(), split, shape, {});
  }

  void expectRefused(Split split, const std::vector<std::string>& parts) const {
    const std::string message = messageOf([&] { read(split); });
    for (const std::string& part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks " << part;
  }

  // A photograph's like: smooth, coloured, of odd size.
  static cv::Mat photograph(int seed) {
    cv::Mat picture(57, 91, CV_8UC3);
    cv::RNG(static_cast<uint64_t>(seed)).fill(picture, cv::RNG::UNIFORM, 0, 256);
    cv::GaussianBlur(picture, picture, cv::Size(9, 9), 2);
    return picture;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Pictures, TrainAndTestFoldersAreTakenAsTheyAre) {
  addMany("train/cat", 3, 10);
  addMany("train/ant/deeper", 2, 20);
  addMany("test/cat", 1, 30);
  addMany("test/ant", 1, 40);
  EXPECT_EQ(PictureFolder(folder_.path()).classNames, (std::vector<std::string>{"ant", "cat"}));
  const ImageSet train = read(Split::train), test = read(Split::test);
  ASSERT_EQ(train.count, 5);
  EXPECT_EQ(train.channels, 1);
  EXPECT_EQ(train.height, 8);
  for (int64_t i = 0; i < train.count; ++i)
    EXPECT_EQ(int{train.pixels[static_cast<size_t>(i * 64)]},
              train.labels[static_cast<size_t>(i)] == 1 ? 10 : 20);
  ASSERT_EQ(test.count, 2);
  EXPECT_EQ(std::set<uint8_t>(test.pixels.begin(), test.pixels.end()), (std::set<uint8_t>{30, 40}));
}

TEST_F(Pictures, AFifthOfEachClassIsForTests) {
  addMany("a", 20, 1);
  addMany("b", 2, 2);
  const PictureFolder folder(folder_.path());
  std::map<std::string, int> seen;
  std::vector<int> train(2), test(2);
  for (const auto& picture : folder.list(Split::train)) ++seen[picture.path], ++train[picture.label];
  for (const auto& picture : folder.list(Split::test)) ++seen[picture.path], ++test[picture.label];
  EXPECT_EQ(train, (std::vector<int>{16, 1}));
  EXPECT_EQ(test, (std::vector<int>{4, 1}));
  EXPECT_EQ(seen.size(), 22U);  // all, each once
  for (const auto& [path, times] : seen) EXPECT_EQ(times, 1) << path;
}

TEST_F(Pictures, TheOrderMixesTheClassesAndDependsOnNamesAlone) {
  addMany("one/a", 200, 1);
  addMany("one/b", 200, 2);
  const auto names = [&](const std::string& set) {
    std::vector<std::string> result;
    for (const auto& picture : PictureFolder(folder_.path(set)).list(Split::train))
      result.push_back(fs::path(picture.path).lexically_relative(folder_.path(set)).string());
    return result;
  };
  const std::vector<std::string> before = names("one");
  ASSERT_EQ(before.size(), 320U);
  int ofA = 0;  // among the last 100: what would be held out
  for (size_t i = 220; i < 320; ++i) ofA += before[i][0] == 'a';
  EXPECT_GT(ofA, 30);
  EXPECT_LT(ofA, 70);
  addMany("two/b", 200, 2);
  addMany("two/a", 200, 1);
  EXPECT_EQ(names("two"), before);
  EXPECT_EQ(before[0], "b/182.pgm");  // the same on every machine
}

TEST_F(Pictures, PixelsAreThoseOfBlobFromImage) {
  fs::create_directories(folder_.path("x"));
  cv::Mat withAlpha;
  cv::cvtColor(photograph(3), withAlpha, cv::COLOR_BGR2BGRA);
  cv::Mat grey;
  cv::cvtColor(photograph(4), grey, cv::COLOR_BGR2GRAY);
  cv::Mat deep;
  photograph(5).convertTo(deep, CV_16U, 257);
  std::vector<std::string> paths;
  const auto write = [&](const std::string& name, const cv::Mat& picture) {
    paths.push_back(folder_.path("x/" + name));
    ASSERT_TRUE(cv::imwrite(paths.back(), picture));
  };
  write("a.png", photograph(1));
  write("b.JPG", photograph(2));
  write("alpha.png", withAlpha);
  write("grey.png", grey);
  write("deep.png", deep);
  write("right size.bmp", photograph(6)(cv::Rect(0, 0, 24, 20)));
  write("c.webp", photograph(7));
  write("d.tif", photograph(8));
  for (const std::vector<int64_t>& shape : {kColour, std::vector<int64_t>{1, 100, 30}}) {
    const auto size = static_cast<size_t>(shape[0] * shape[1] * shape[2]);
    std::vector<uint8_t> pixels(paths.size() * size);
    readPictures(paths, shape, pixels.data(), {});
    for (size_t i = 0; i < paths.size(); ++i) {
      cv::Mat picture = cv::imread(paths[i]);
      if (shape[0] == 1) cv::cvtColor(picture, picture, cv::COLOR_BGR2GRAY);
      const cv::Mat blob =
          cv::dnn::blobFromImage(picture, 1, cv::Size(int(shape[2]), int(shape[1])), {}, shape[0] == 3);
      ASSERT_EQ(blob.total(), size);
      for (size_t p = 0; p < size; ++p)
        ASSERT_EQ(pixels[i * size + p], blob.ptr<float>()[p]) << paths[i] << ", value " << p;
    }
  }
}

TEST_F(Pictures, OtherFilesAndHiddenOnesAreLeftAlone) {
  addMany("train/a", 1, 1);
  addMany("train/b", 1, 2);
  addMany("test/a", 1, 1);
  addMany("test/b", 1, 2);
  writeFile(folder_.path("train/a/readme.txt"), "no picture");
  writeFile(folder_.path("train/a/.hidden.png"), "no picture");
  fs::create_directories(folder_.path("train/.cache"));
  writeFile(folder_.path("train/labels.csv"), "");
  EXPECT_EQ(read(Split::train).count, 2);
}

TEST_F(Pictures, ADamagedPictureIsNamed) {
  addMany("a", 9, 1);
  addMany("b", 2, 2);
  const auto damage = [&](const std::string& name, const std::string& bytes, const std::string& part) {
    writeFile(folder_.path(name), bytes);
    const std::string message = messageOf([&] {
      std::vector<uint8_t> pixels(64);
      readPictures({folder_.path(name)}, kGrey, pixels.data(), {});
    });
    EXPECT_EQ(message.find(folder_.path(name) + ": "), 0U) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    fs::remove(folder_.path(name));
  };
  damage("a/empty.png", "", "no picture");
  damage("a/text.jpg", "this is text", "no picture");
  std::vector<uint8_t> bytes;
  for (const char* ending : {".jpg", ".png"}) {
    ASSERT_TRUE(cv::imencode(ending, photograph(1), bytes));
    const std::string whole(bytes.begin(), bytes.end());
    damage(std::string("a/short") + ending, whole.substr(0, whole.size() / 2), "cut short");
    damage(std::string("a/one byte") + ending, whole.substr(0, whole.size() - 10), "cut short");
  }
  writeFile(folder_.path("b/broken.png"), "text");
  std::string message = messageOf([&] { read(Split::train); });
  if (message == "no error") message = messageOf([&] { read(Split::test); });
  EXPECT_NE(message.find("b/broken.png"), std::string::npos) << message;
}

TEST_F(Pictures, AFolderWithoutClassesIsRefused) {
  expectRefused(Split::train, {folder_.path(), "found 0 sub-folder(s)", "2 to 256"});
  add("picture.pgm", 1);
  expectRefused(Split::train, {"found 0 sub-folder(s)"});
  addMany("only", 5, 1);
  expectRefused(Split::train, {"found 1 sub-folder(s) (only)"});
  fs::create_directories(folder_.path("empty"));
  expectRefused(Split::test, {folder_.path("empty"), "holds no pictures"});
  addMany("empty", 1, 1);
  expectRefused(Split::train, {folder_.path("empty"), "found 1 picture", "at least 2"});
  EXPECT_NE(messageOf([&] { PictureFolder(folder_.path("nowhere")); }).find("nowhere: is no folder"),
            std::string::npos);
}

TEST_F(Pictures, TrainAndTestMustHoldTheSameClasses) {
  addMany("train/a", 1, 1);
  addMany("train/b", 1, 1);
  addMany("val/a", 1, 1);
  expectRefused(Split::train, {"holds train but no test", "val"});
  addMany("test/a", 1, 1);
  addMany("test/c", 1, 1);
  expectRefused(Split::test, {"a, b in train", "a, c in test"});
}

TEST_F(Pictures, MoreThan256ClassesAreRefused) {
  for (int i = 0; i < 256; ++i) addMany("class " + std::to_string(i), 2, static_cast<uint8_t>(i));
  const ImageSet test = read(Split::test);
  EXPECT_EQ(std::set<uint8_t>(test.labels.begin(), test.labels.end()).size(), 256U);
  addMany("one more", 2, 1);
  expectRefused(Split::train, {"found 257 sub-folder(s)", "class 0", "..."});
}

TEST_F(Pictures, TheModelsInputMustBeAPicture) {
  addMany("a", 2, 1);
  addMany("b", 2, 1);
  EXPECT_NE(messageOf([&] {
              read(Split::train, {2, 8, 8});
            }).find("1 (grey) or 3 (colour)"),
            std::string::npos);
  EXPECT_NE(messageOf([&] { read(Split::train, {}); }).find("expected an input"), std::string::npos);
  EXPECT_NE(messageOf([&] { read(Split::train, {3, 1 << 24, 1 << 24}); }).find("GiB"), std::string::npos);
}

TEST_F(Pictures, ProgressReachesTheEnd) {
  addMany("a", 400, 1);
  addMany("b", 400, 1);
  std::vector<int64_t> told;
  readPictureFolder(folder_.path(), Split::train, kGrey, [&](int64_t done, int64_t all) {
    EXPECT_EQ(all, 640);
    told.push_back(done);
  });
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_GT(told.size(), 1U);
  EXPECT_EQ(told.back(), 640);
}

TEST_F(Pictures, AreADataSourceNamedByItsFolder) {
  addMany("a", 2, 1);
  addMany("b", 2, 1);
  DataSource source = dataSource("folder:" + folder_.path() + "/");
  EXPECT_EQ(source.classNames, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(source.name, "folder:" + fs::path(folder_.path()).parent_path().filename().string());
  source.pictureShape = kGrey;
  EXPECT_EQ(source.load(Split::test).count, 2);
}

}  // namespace
}  // namespace rdi::train
