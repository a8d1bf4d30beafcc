// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rdi::convert::readers {

/// One file of a zip archive, as its directory describes it.
struct ZipRecord {
  std::string_view name;
  uint64_t packed = 0, size = 0;  // bytes in the archive, bytes unpacked
  uint64_t offset = 0;            // of its own header
  uint32_t checksum = 0;          // CRC-32; 0 where the writer left it out
  uint16_t method = 0, flags = 0;
};

/// A zip archive in memory: stored and deflated records, zip64. What is unpacked is bounded by the archive's
/// size (kMostGrowth), before it is allocated.
class ZipArchive {
public:
  static constexpr uint64_t kMostGrowth = 32;  // all that is unpacked, over all that is packed

  /// `bytes` must outlive the archive. Throws rdi::Error when the directory is missing or damaged.
  explicit ZipArchive(std::string_view bytes);

  const std::vector<ZipRecord>& records() const { return records_; }
  /// Null where there is none of that name.
  const ZipRecord* find(std::string_view name) const;

  /// Contents of a record: a window into the archive, or into a new buffer that is added to `buffers`. Throws
  /// rdi::Error naming the record when it is encrypted, packed by another method, damaged or too large.
  std::string_view read(const ZipRecord& record, std::vector<std::shared_ptr<const std::string>>& buffers);

private:
  std::string_view packedBytes(const ZipRecord& record) const;
  std::string inflate(std::string_view packed, uint64_t size) const;

  std::string_view bytes_;
  std::vector<ZipRecord> records_;  // by name
  uint64_t packedRead_ = 0, unpacked_ = 0;
};

}  // namespace rdi::convert::readers
