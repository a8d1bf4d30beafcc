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

  /// The record of the batch that starts at this image; null when there is none.
  const Record* find(int64_t first) const;

  /// Adds one and hands it to the disk. Throws rdi::Error when that fails: what was there before stays.
  void append(int64_t first, const Record& record);

private:
  std::string path_;
  std::map<int64_t, Record> records_;
};

}  // namespace rdi::train
