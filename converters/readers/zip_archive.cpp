// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/readers/zip_archive.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "converters/readers/cursor.hpp"
#include "graph/error.hpp"

namespace rdi::convert::readers {
namespace {

constexpr std::string_view kLocalHeader("PK\3\4", 4), kDirectoryEntry("PK\1\2", 4),
    kDirectoryEnd("PK\5\6", 4), kDirectoryEnd64("PK\6\6", 4), kLocator64("PK\6\7", 4);
constexpr size_t kDirectoryEndSize = 22, kLocator64Size = 20, kLongestComment = 0xffff;
constexpr uint16_t kInExtra16 = 0xffff;  // the number stands in the zip64 part
constexpr uint32_t kInExtra32 = 0xffffffff;
constexpr uint16_t kExtra64 = 1, kEncrypted = 1, kStored = 0, kDeflated = 8;
constexpr uint64_t kSmall = 1 << 20;       // bytes that may always be unpacked
constexpr uint64_t kDeflateGrowth = 1032;  // the most that deflate can do

struct Directory {
  uint64_t entries = 0, size = 0, offset = 0;
};

void expect(Cursor& cursor, std::string_view signature, const char* what) {
  const size_t at = cursor.position();
  if (cursor.take(signature.size()) != signature)
    throw Error(text("is damaged: expected ", what, " of its zip directory at byte ", at));
}

Directory findDirectory(std::string_view bytes) {
  const size_t lowest = bytes.size() > kDirectoryEndSize + kLongestComment
                            ? bytes.size() - kDirectoryEndSize - kLongestComment
                            : 0;
  size_t at = bytes.rfind(kDirectoryEnd);
  if (at == std::string_view::npos || at < lowest)
    throw Error(text("is a zip archive that is cut short: found ", bytes.size(),
                     " bytes without the directory at their end; download or copy it again"));
  Cursor end(bytes, at + kDirectoryEnd.size());
  end.take(6);  // numbers of disks, entries on this one
  Directory directory;
  directory.entries = end.read<uint16_t>();
  directory.size = end.read<uint32_t>();
  directory.offset = end.read<uint32_t>();
  end.take(end.read<uint16_t>());  // comment
  const bool is64 =
      directory.entries == kInExtra16 || directory.size == kInExtra32 || directory.offset == kInExtra32;
  if (!is64) return directory;
  if (at < kLocator64Size) throw Error("is damaged: its zip64 directory is missing");
  Cursor locator(bytes, at - kLocator64Size);
  expect(locator, kLocator64, "the zip64 locator");
  locator.read<uint32_t>();  // disk
  const auto end64At = locator.read<uint64_t>();
  if (end64At > bytes.size()) throw Error("is damaged: its zip64 directory lies behind its end");
  Cursor end64(bytes, static_cast<size_t>(end64At));
  expect(end64, kDirectoryEnd64, "the zip64 end");
  end64.take(28);  // size of this record, versions, disks, entries on this one
  directory.entries = end64.read<uint64_t>();
  directory.size = end64.read<uint64_t>();
  directory.offset = end64.read<uint64_t>();
  return directory;
}

/// Numbers that do not fit the entry stand in its extra field, in this order.
void readExtra64(std::string_view extra, ZipRecord& record) {
  for (Cursor fields(extra); fields.left() >= 4;) {
    const auto kind = fields.read<uint16_t>();
    Cursor field(fields.take(fields.read<uint16_t>()));
    if (kind != kExtra64) continue;
    for (uint64_t* number : {&record.size, &record.packed, &record.offset})
      if (*number == kInExtra32) *number = field.read<uint64_t>();
    return;
  }
}

ZipRecord readEntry(Cursor& cursor) {
  expect(cursor, kDirectoryEntry, "an entry");
  cursor.take(4);  // versions
  ZipRecord record;
  record.flags = cursor.read<uint16_t>();
  record.method = cursor.read<uint16_t>();
  cursor.take(4);  // time, date
  record.checksum = cursor.read<uint32_t>();
  record.packed = cursor.read<uint32_t>();
  record.size = cursor.read<uint32_t>();
  const auto nameSize = cursor.read<uint16_t>(), extraSize = cursor.read<uint16_t>(),
             commentSize = cursor.read<uint16_t>();
  cursor.take(8);  // disk, attributes
  record.offset = cursor.read<uint32_t>();
  record.name = cursor.take(nameSize);
  readExtra64(cursor.take(extraSize), record);
  cursor.take(commentSize);
  return record;
}

bool byName(const ZipRecord& a, const ZipRecord& b) { return a.name < b.name; }

uint32_t checksumOf(std::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

ZipArchive::ZipArchive(std::string_view bytes) : bytes_(bytes) {
  const Directory directory = findDirectory(bytes);
  if (directory.offset > bytes.size() || directory.size > bytes.size() - directory.offset)
    throw Error(text("is cut short or damaged: its zip directory lies at byte ", directory.offset, ", found ",
                     bytes.size(), " bytes"));
  Cursor cursor(bytes, static_cast<size_t>(directory.offset));
  for (uint64_t i = 0; i < directory.entries; ++i) records_.push_back(readEntry(cursor));
  std::sort(records_.begin(), records_.end(), byName);
  for (size_t i = 1; i < records_.size(); ++i)
    if (records_[i].name == records_[i - 1].name)
      throw Error(text("is damaged: two records of the zip archive are called ", records_[i].name));
}

const ZipRecord* ZipArchive::find(std::string_view name) const {
  ZipRecord wanted;
  wanted.name = name;
  const auto found = std::lower_bound(records_.begin(), records_.end(), wanted, byName);
  return found != records_.end() && found->name == name ? &*found : nullptr;
}

std::string_view ZipArchive::packedBytes(const ZipRecord& record) const {
  if (record.offset > bytes_.size()) throw Error(text("lies at byte ", record.offset, ", behind the end"));
  Cursor cursor(bytes_, static_cast<size_t>(record.offset));
  expect(cursor, kLocalHeader, "the record");
  cursor.take(22);
  const auto nameSize = cursor.read<uint16_t>(), extraSize = cursor.read<uint16_t>();
  cursor.take(nameSize);
  cursor.take(extraSize);
  return cursor.take(record.packed);
}

std::string ZipArchive::inflate(std::string_view packed, uint64_t size) const {
  std::string unpacked(static_cast<size_t>(size), '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw Error("cannot be unpacked: zlib has no memory");
  const auto feed = [](std::string_view bytes, size_t done) {  // zlib counts in 32 bits
    return static_cast<uInt>(std::min<size_t>(bytes.size() - done, std::numeric_limits<uInt>::max()));
  };
  size_t read = 0, written = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + read));
    stream.avail_in = feed(packed, read);
    stream.next_out = reinterpret_cast<Bytef*>(unpacked.data() + written);
    stream.avail_out = feed(unpacked, written);
    const uInt in = stream.avail_in, out = stream.avail_out;
    state = ::inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += out - stream.avail_out;
    if (state == Z_OK && in == stream.avail_in && out == stream.avail_out) state = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || written != size)
    throw Error(text("is damaged: unpacked ", written, " bytes of ", size));
  return unpacked;
}

std::string_view ZipArchive::read(const ZipRecord& record,
                                  std::vector<std::shared_ptr<const std::string>>& buffers) {
  try {
    if (record.flags & kEncrypted)
      throw Error("is encrypted; unpack the archive and pack it without a password");
    const auto packed = packedBytes(record);
    packedRead_ += packed.size();
    if (packedRead_ > bytes_.size())
      throw Error("lies over other records; the archive is damaged or hostile");
    std::string_view contents = packed;
    if (record.method == kDeflated) {
      const uint64_t most = kMostGrowth * bytes_.size() + kSmall;
      if (record.size > kDeflateGrowth * packed.size() + kDeflateGrowth || record.size > most - unpacked_)
        throw Error(
            text("says that it grows from ", packed.size(), " to ", record.size,
                 " bytes; the archive is damaged or hostile, or must be packed again without compression"));
      unpacked_ += record.size;
      buffers.push_back(std::make_shared<const std::string>(inflate(packed, record.size)));
      contents = *buffers.back();
    } else if (record.method != kStored) {
      throw Error(text("is packed by method ", record.method, ", expected 0 (stored) or 8 (deflated)"));
    } else if (packed.size() != record.size) {
      throw Error(text("is damaged: stored ", packed.size(), " bytes, expected ", record.size));
    }
    if (record.checksum != 0 && checksumOf(contents) != record.checksum)
      throw Error("is damaged: its checksum is wrong; download or copy the file again");
    return contents;
  } catch (const Error& error) {
    throw Error(text("record ", record.name, " ", error.what()));
  }
}

}  // namespace rdi::convert::readers
