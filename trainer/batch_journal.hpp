// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace rdi::train {

/// What a long evaluation has found so far, batch by batch, in a file: an interrupted run goes on where it
/// stopped. A record that was cut off is dropped.
class BatchJournal {
public:
  struct Record {
    std::vector<float> values;
    std::vector<uint8_t> flags;
    double seconds = 0;
  };

  /// Opens the file or starts it. `identity` tells all that decides the values. Throws rdi::Error naming what
  /// differs when the file belongs to another evaluation, and when it cannot be read or written.
  BatchJournal(const std::string& path, const nlohmann::json& identity);

  /// Whether there is a record of the batch that starts at this image, and that record, read from the file.
  bool has(int64_t first) const { return places_.count(first) != 0; }
  Record read(int64_t first) const;

  /// Adds one and hands it to the disk. Throws rdi::Error when that fails: what was there before stays.
  void append(int64_t first, const Record& record);

private:
  std::string path_;
  std::map<int64_t, size_t> places_;  // where in the file the record of a batch begins
  size_t end_ = 0;                    // of the last whole record
};

}  // namespace rdi::train
