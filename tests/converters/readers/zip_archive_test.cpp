// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/readers/zip_archive.hpp"

#include <gtest/gtest.h>

#include "tests/converters/messages.hpp"
#include "tests/converters/readers/foreign_files.hpp"

namespace rdi::convert::readers {
namespace {

using namespace test;

const std::string kRepeated(1000, 'x');

std::string contents(const std::string& archive, const std::string& name) {
  std::vector<std::shared_ptr<const std::string>> buffers;
  ZipArchive zip(archive);
  const auto* record = zip.find(name);
  return record ? std::string(zip.read(*record, buffers)) : "no such record";
}

/// The bytes of a number, little-endian.
template <typename Number>
std::string number(Number value) {
  return bytesOf(std::vector<Number>{value});
}

/// `archive` with the bytes at `from` behind the first "PK\1\2" (an entry of the directory) replaced.
std::string withEntry(std::string archive, size_t from, const std::string& bytes) {
  return archive.replace(archive.find(std::string("PK\1\2", 4)) + from, bytes.size(), bytes);
}
constexpr size_t kFlags = 8, kMethod = 10, kChecksum = 16, kPacked = 20, kSize = 24, kOffset = 42;

TEST(ZipArchive, ReadsStoredDeflatedAndZip64) {
  for (const Pack pack : {Pack::stored, Pack::deflated, Pack::zip64}) {
    const auto archive = zip({{"a", "first"}, {"b/c", kRepeated}, {"empty", ""}}, pack);
    EXPECT_EQ(contents(archive, "a"), "first");
    EXPECT_EQ(contents(archive, "b/c"), kRepeated);
    EXPECT_EQ(contents(archive, "empty"), "");
    EXPECT_EQ(contents(archive, "c"), "no such record");
    EXPECT_EQ(ZipArchive(archive).records().size(), 3u);
  }
  EXPECT_EQ(ZipArchive(zip({})).records().size(), 0u);
}

TEST(ZipArchive, StoredRecordsAreWindowsIntoTheArchive) {
  const auto archive = zip({{"a", "first"}});
  std::vector<std::shared_ptr<const std::string>> buffers;
  ZipArchive zip(archive);
  const auto found = zip.read(*zip.find("a"), buffers);
  EXPECT_TRUE(found.data() > archive.data() && found.data() < archive.data() + archive.size());
  EXPECT_TRUE(buffers.empty());
}

TEST(ZipArchive, TakesAChecksumThatWasLeftOut) {
  const auto archive = withEntry(zip({{"a", "first"}}), kChecksum, number<uint32_t>(0));
  EXPECT_EQ(contents(archive, "a"), "first");
}

TEST(ZipArchive, RefusesDamagedRecordsByName) {
  const auto stored = zip({{"rec", kRepeated}}), deflated = zip({{"rec", kRepeated}}, Pack::deflated);
  auto flipped = stored;
  flipped[100] = 'y';
  auto broken = deflated;
  broken[41] = static_cast<char>(broken[41] ^ 0xff);
  struct Case {
    std::string archive, word;
  };
  const std::vector<Case> cases = {
      {flipped, "checksum"},
      {broken, "damaged"},
      {withEntry(stored, kFlags, number<uint16_t>(1)), "encrypted"},
      {withEntry(stored, kMethod, number<uint16_t>(14)), "method 14"},
      {withEntry(stored, kMethod, number<uint16_t>(8)), "damaged"},
      {withEntry(stored, kPacked, number<uint32_t>(999)), "stored 999"},
      {withEntry(stored, kPacked, number<uint32_t>(1'000'000)), "cut short"},
      {withEntry(stored, kOffset, number<uint32_t>(1)), "expected the record"},
      {withEntry(stored, kOffset, number<uint32_t>(2'000'000)), "behind the end"},
      {withEntry(deflated, kSize, number<uint32_t>(999)), "unpacked 999 bytes of 999"},
      {withEntry(deflated, kSize, number<uint32_t>(1001)), "unpacked 1000 bytes of 1001"},
      {withEntry(deflated, kSize, number<uint32_t>(0x7fffffff)), "grows"},
  };
  for (const auto& refused : cases) {
    SCOPED_TRACE(refused.word);
    expectRefused([&] { contents(refused.archive, "rec"); }, {"record rec", refused.word});
  }
}

TEST(ZipArchive, RefusesDamagedDirectories) {
  const auto archive = zip({{"a", "first"}, {"b", "second"}});
  const size_t end = archive.size() - 22;
  const auto with = [&](size_t at, const std::string& bytes) {
    return std::string(archive).replace(at, bytes.size(), bytes);
  };
  expectRefused([&] { ZipArchive{archive.substr(0, archive.size() - 30)}; }, {"cut short", "download"});
  expectRefused([&] { ZipArchive{with(end + 10, number<uint16_t>(3))}; }, {"expected an entry"});
  expectRefused([&] { ZipArchive{with(end + 16, number<uint32_t>(5'000'000))}; }, {"lies at byte 5000000"});
  expectRefused([&] { ZipArchive{with(end + 16, number<uint32_t>(0xffffffff))}; }, {"zip64"});
  expectRefused([&] { ZipArchive{zip({{"a", "1"}, {"a", "2"}})}; }, {"two records", "called a"});
  const auto large = zip({{"a", "first"}}, Pack::zip64);
  const auto end64 = large.find(std::string("PK\6\6", 4));
  expectRefused([&] { ZipArchive{std::string(large).replace(end64, 4, "oops")}; }, {"zip64 end"});
  expectRefused([&] { ZipArchive{std::string(large).replace(end64 + 32, 8, number(uint64_t{1} << 60))}; },
                {"expected an entry"});  // 2^60 entries
  expectRefused([&] { ZipArchive{std::string(large).replace(end64 + 48, 8, number(uint64_t{1} << 60))}; },
                {"lies at byte"});
}

TEST(ZipArchive, BoundsWhatItUnpacks) {
  // Deflate packs zeros a thousand times smaller; two such records are more than an archive may grow to.
  const std::string zeros(24 << 20, '\0');
  const auto bomb = zip({{"a", zeros}, {"b", zeros}}, Pack::deflated);
  ASSERT_LT(bomb.size(), 100'000u);
  expectRefused([&] { contents(bomb, "a"); }, {"record a", "grows", "without compression"});
}

TEST(ZipArchive, RefusesRecordsThatLieOverEachOther) {
  auto archive = zip({{"a", kRepeated}, {"b", kRepeated}, {"c", kRepeated}});
  // All three entries point to the first record.
  for (size_t at = archive.find(std::string("PK\1\2", 4)); at != std::string::npos;
       at = archive.find(std::string("PK\1\2", 4), at + 1))
    archive.replace(at + kOffset, 4, number<uint32_t>(0));
  std::vector<std::shared_ptr<const std::string>> buffers;
  ZipArchive zip(archive);
  expectRefused(
      [&] {
        for (int i = 0; i < 10; ++i)
          for (const auto& record : zip.records()) zip.read(record, buffers);
      },
      {"lies over other records"});
}

TEST(ZipArchive, RefusesEveryCut) {
  for (const Pack pack : {Pack::stored, Pack::zip64}) {
    const auto archive = zip({{"a", "first"}, {"b", "second"}}, pack);
    for (size_t length = 0; length < archive.size(); ++length)
      expectRefused([&] { ZipArchive{std::string_view(archive).substr(0, length)}; }, {});
  }
}

}  // namespace
}  // namespace rdi::convert::readers
