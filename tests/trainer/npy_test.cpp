// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/npy.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

namespace fs = std::filesystem;
using test::messageOf;
using test::writeFile;

// As numpy.save writes it.
std::string npyBytes(const std::string& words, const std::string& values, const char* version = "\x01") {
  const std::string line = words + "\n";
  std::string bytes = std::string("\x93NUMPY") + version + '\0';
  bytes += static_cast<char>(line.size());
  bytes += '\0';
  return bytes + line + values;
}

class Npy : public testing::Test {
protected:
  void expectRefused(const std::string& bytes, const std::vector<std::string>& parts) {
    writeFile(path_, bytes);
    const std::string message = messageOf([&] { NpyReader<uint8_t> reader(path_); });
    for (const std::string& part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks " << part;
    EXPECT_EQ(message.find(path_), 0U) << message;
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.path("array.npy");
};

TEST_F(Npy, RowsThatWereAppendedAreReadInAnyPieces) {
  {
    NpyWriter<float> writer(path_, {2, 3});
    writer.append(std::vector<float>{0, 1, 2, 3, 4, 5}.data(), 1);
    writer.append(std::vector<float>{6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17.5F}.data(), 2);
    writer.append(nullptr, 0);
    EXPECT_FALSE(fs::exists(path_)) << "it is not complete yet";
    writer.finish();
  }
  NpyReader<float> reader(path_);
  EXPECT_EQ(reader.shape(), (std::vector<int64_t>{3, 2, 3}));
  EXPECT_EQ(reader.rows(), 3);
  EXPECT_EQ(reader.rowSize(), 6);
  EXPECT_EQ(reader.read(1, 1), (std::vector<float>{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(reader.read(0, 3).back(), 17.5F);
  EXPECT_TRUE(reader.read(3, 0).empty());
  EXPECT_THROW(reader.read(2, 2), Error);
  EXPECT_THROW(reader.read(-1, 1), Error);
  EXPECT_EQ(reader.readAll().size(), 18U);
}

TEST_F(Npy, NumbersHaveRowsOfOne) {
  NpyWriter<uint8_t> writer(path_, {});
  writer.append(std::vector<uint8_t>{7, 255}.data(), 2);
  writer.finish();
  NpyReader<uint8_t> reader(path_);
  EXPECT_EQ(reader.shape(), (std::vector<int64_t>{2}));
  EXPECT_EQ(reader.readAll(), (std::vector<uint8_t>{7, 255}));
}

TEST_F(Npy, NumPyReadsWhatIsWritten) {
  if (std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0)
    GTEST_SKIP() << "Debian's package python3-numpy is not installed";
  NpyWriter<float> writer(path_, {3, 32, 32});
  writer.append(std::vector<float>(2 * 3072, 0.25F).data(), 2);
  writer.finish();
  const std::string command =
      "/usr/bin/python3 -c \"import numpy; a = numpy.load('" + path_ +
      "'); assert a.shape == (2, 3, 32, 32) and a.dtype == '<f4' and (a == 0.25).all(); "
      "numpy.save('" +
      path_ + "', (a[:, 0, 0, :5] * 1020).astype('u1'))\"";
  ASSERT_EQ(std::system(command.c_str()), 0);
  NpyReader<uint8_t> reader(path_);
  EXPECT_EQ(reader.shape(), (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(reader.readAll(), std::vector<uint8_t>(10, 255));
}

TEST_F(Npy, AnUnfinishedOrImpossibleFileLeavesNothing) {
  {
    NpyWriter<float> writer(path_, {4});
    writer.append(std::vector<float>(4).data(), 1);
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  const std::string message = messageOf([&] { NpyWriter<float>(folder_.path("nowhere/a.npy"), {4}); });
  EXPECT_NE(message.find("nowhere/a.npy: cannot be created"), std::string::npos) << message;
  if (fs::exists("/dev/full")) {
    // A full disk: the temporary file is a link to a device that is always full.
    const std::string full = folder_.path("full.npy");
    fs::create_symlink("/dev/full", full + ".tmp." + std::to_string(getpid()));
    EXPECT_NE(messageOf([&] { NpyWriter<float>(full, {4}); }).find("No space left"), std::string::npos);
    EXPECT_TRUE(fs::is_empty(folder_.path()));
  }
}

TEST_F(Npy, DamageIsRefused) {
  const std::string words = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }";
  writeFile(path_, npyBytes(words, "abc"));
  EXPECT_EQ(NpyReader<uint8_t>(path_).readAll(), (std::vector<uint8_t>{'a', 'b', 'c'}));
  expectRefused("", {"is no NumPy file"});
  expectRefused("PK\x03\x04 an npz is a zip", {"is no NumPy file"});
  expectRefused(npyBytes(words, "abc", "\x02"), {"format 2.0", "expected 1.0"});
  expectRefused(npyBytes(words, "abc").substr(0, 30), {"cut short"});
  expectRefused(npyBytes(words, "ab"), {"found 2 bytes", "expected 3", "cut short"});
  expectRefused(npyBytes(words, "abcd"), {"found 4 bytes", "too long"});
  expectRefused(npyBytes("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", ""),
                {"\"<f8\"", "\"|u1\""});
  expectRefused(npyBytes("{'descr': '|u1', 'fortran_order': True, 'shape': (3,), }", "abc"),
                {"Fortran order"});
  expectRefused(npyBytes("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", "a"), {"one dimension"});
  expectRefused(npyBytes("{'descr': '|u1', 'fortran_order': False}", ""), {"one dimension"});
  expectRefused(npyBytes("", ""), {"type \"\""});
  for (const char* shape : {"99999999999999999999", "4294967296, 4294967296, 4", "0, 9999999999999999",
                            "0, 4294967296, 4294967296, 4294967296"})
    expectRefused(
        npyBytes(std::string("{'descr': '|u1', 'fortran_order': False, 'shape': (") + shape + "), }", ""),
        {"damaged"});
}

}  // namespace
}  // namespace rdi::train
