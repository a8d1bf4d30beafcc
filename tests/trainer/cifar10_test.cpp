// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/cifar10.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using test::writeFile;

constexpr int64_t kRecord = 3073, kOfficialSize = 10000 * kRecord;

// Red, green and blue planes of one value each.
std::string record(uint8_t label, uint8_t red, uint8_t green, uint8_t blue) {
  std::string bytes(1, static_cast<char>(label));
  for (const uint8_t value : {red, green, blue}) bytes.append(1024, static_cast<char>(value));
  return bytes;
}

class Cifar10 : public testing::Test {
protected:
  template <typename Body>
  static void expectRefused(const Body& body, const std::vector<std::string>& parts) {
    const std::string message = test::messageOf(body);
    for (const std::string& part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks " << part;
  }

  // All zeros, so all airplanes; takes no space on the disk.
  static void writeSparse(const std::string& path, int64_t size) {
    fs::create_directories(fs::path(path).parent_path());
    writeFile(path, "");
    fs::resize_file(path, static_cast<uintmax_t>(size));
  }

  ImageSet append(int64_t records) const {
    ImageSet set;
    appendCifar10(set, file_, records);
    return set;
  }

  TemporaryFolder folder_;
  std::string file_ = folder_.path("batch.bin");
};

TEST_F(Cifar10, RecordsAreLabelsAndPlanesOfRedGreenBlue) {
  std::string bytes = record(9, 1, 2, 3) + record(0, 255, 0, 128);
  bytes[1 + 33] = 77;  // red, second row, second column
  writeFile(file_, bytes);
  ImageSet set = append(2);
  EXPECT_EQ(set.count, 2);
  EXPECT_EQ(set.channels, 3);
  EXPECT_EQ(set.height, 32);
  EXPECT_EQ(set.width, 32);
  EXPECT_EQ(set.labels, (std::vector<uint8_t>{9, 0}));
  ASSERT_EQ(set.pixels.size(), 2U * 3072);
  EXPECT_EQ(set.pixels[33], 77);
  EXPECT_EQ(set.pixels[34], 1);
  EXPECT_EQ(set.pixels[1024], 2);
  EXPECT_EQ(set.pixels[3071], 3);
  EXPECT_EQ(set.pixels[3072], 255);
  EXPECT_EQ(set.pixels[3072 + 2048], 128);

  appendCifar10(set, file_, 2);  // the next file goes behind
  EXPECT_EQ(set.count, 4);
  EXPECT_EQ(set.labels, (std::vector<uint8_t>{9, 0, 9, 0}));
  EXPECT_EQ(set.pixels[2 * 3072 + 33], 77);
}

TEST_F(Cifar10, AnotherSizeIsRefusedWithBoth) {
  const std::string good = record(1, 0, 0, 0) + record(2, 0, 0, 0);
  writeFile(file_, good.substr(0, good.size() - 1));
  expectRefused([&] { append(2); }, {file_, "found 6145 bytes", "expected 6146", "cut short"});
  writeFile(file_, good.substr(0, 3073));  // whole records, but too few
  expectRefused([&] { append(2); }, {file_, "found 3073 bytes", "cut short"});
  writeFile(file_, good + "x");
  expectRefused([&] { append(2); }, {file_, "found 6147 bytes", "too long"});
  writeFile(file_, "");
  expectRefused([&] { append(2); }, {file_, "found 0 bytes"});
  fs::remove(file_);
  expectRefused([&] { append(2); }, {file_, "cannot be opened"});
}

TEST_F(Cifar10, ALabelAboveNineIsRefusedWithItsRecord) {
  writeFile(file_, record(9, 0, 0, 0) + record(10, 0, 0, 0));
  expectRefused([&] { append(2); }, {file_, "label 10 at record 1", "expected 0 to 9"});
}

TEST_F(Cifar10, TheOfficialSubFolderIsFound) {
  const fs::path place = fs::path(folder_.path()) / "cifar-10-batches-bin";
  writeSparse((place / "test_batch.bin").string(), kOfficialSize);
  EXPECT_EQ(readCifar10Folder(folder_.path(), Split::test).count, 10000);
  EXPECT_EQ(readCifar10Folder(place.string(), Split::test).count, 10000);
}

TEST_F(Cifar10, AMissingOrShortBatchIsNamed) {
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"})
    writeSparse(folder_.path(name), kOfficialSize);
  expectRefused([&] { readCifar10Folder(folder_.path(), Split::train); },
                {folder_.path(), "lacks data_batch_3.bin"});
  fs::resize_file(folder_.path("data_batch_2.bin"), 9999 * kRecord);
  expectRefused([&] { readCifar10Folder(folder_.path(), Split::train); },
                {"data_batch_2.bin", "expected 30730000"});
}

TEST_F(Cifar10, AWrongFolderIsToldWhatItHolds) {
  const auto load = [&] { readCifar10Folder(folder_.path(), Split::train); };
  expectRefused(load, {folder_.path(), "data_batch_1.bin", "cifar10:FOLDER"});
  writeFile(folder_.path("cifar-10-binary.tar.gz"), "");
  expectRefused(load, {"tar xf cifar-10-binary.tar.gz"});
  fs::create_directories(folder_.path("cifar-10-batches-py"));
  writeFile(folder_.path("cifar-10-batches-py/data_batch_1"), "");
  expectRefused(load, {"Python version", "expected the binary version"});
  expectRefused([&] { readCifar10Folder(folder_.path("cifar-10-batches-py"), Split::test); },
                {"test_batch.bin", "Python version"});
  fs::remove_all(folder_.path("cifar-10-batches-py"));
  writeFile(folder_.path("data_batch_1.mat"), "");
  expectRefused(load, {"Matlab version"});
  fs::remove(folder_.path("data_batch_1.mat"));
  writeFile(folder_.path("train.bin"), "");
  expectRefused(load, {"CIFAR-100"});
  expectRefused([&] { readCifar10Folder(folder_.path("nowhere"), Split::test); },
                {"nowhere", "there is no such folder"});
}

TEST_F(Cifar10, TheOfficialTestSetIsRead) {
  const std::string packed = test::dataFolder("cifar10");
  if (!fs::exists(packed)) GTEST_SKIP() << packed << " does not exist; set RDI_DATA";
  const std::string command = "/usr/bin/python3 '" + packed + "/unpack_cifar10.py' '" + packed + "' '" +
                              folder_.path() + "' > '" + folder_.path("log") + "' 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0) << graph::readFile(folder_.path("log"));
  const ImageSet test = readCifar10Folder(folder_.path(), Split::test);
  EXPECT_EQ(test.count, 10000);
  EXPECT_EQ(std::vector<int>(test.labels.begin(), test.labels.begin() + 8),
            (std::vector<int>{3, 8, 8, 0, 6, 6, 1, 6}));  // cat, ship, ship, airplane, frog, ...
  std::vector<int> seen(10);
  const ImageSet train = readCifar10Folder(folder_.path(), Split::train);
  for (const uint8_t label : train.labels) ++seen[label];
  EXPECT_EQ(seen, std::vector<int>(10, 5000));
}

}  // namespace
}  // namespace rdi::train
