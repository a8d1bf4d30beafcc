// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// The file: one line of JSON, the identity, and for each batch
//   int64 first image, int64 number of values, int64 number of flags, double seconds,
//   values (float), flags (bytes), uint32 CRC-32 of all this
// in the byte order of the machine.

#include "trainer/batch_journal.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::train {
namespace {

struct Head {
  int64_t first = 0, values = 0, flags = 0;
  double seconds = 0;
};

template <typename T>
void put(std::string& bytes, const T* values, size_t count) {
  bytes.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

uint32_t checksum(const char* bytes, size_t count) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const unsigned char*>(bytes), static_cast<unsigned>(count)));
}

// "steps: found 20, expected 40": the first difference.
std::string difference(const nlohmann::json& found, const nlohmann::json& expected) {
  for (const auto& [key, value] : expected.items())
    if (!found.contains(key) || found[key] != value)
      return text(key, ": found ", found.contains(key) ? found[key].dump() : "none", ", expected ",
                  value.dump());
  return "more settings than expected";
}

// Adds bytes at `end`; false when the disk does not take all of them.
bool addBytes(const std::string& path, size_t end, const std::string& bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return false;
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t now =
        pwrite(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(end + done));
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) break;
    done += static_cast<size_t>(now);
  }
  // What a full disk left of a record goes again.
  const bool isWhole = done == bytes.size() && fdatasync(file) == 0;
  const int problem = errno;
  const bool isCut = isWhole || ftruncate(file, static_cast<off_t>(end)) == 0;
  close(file);
  errno = problem;
  return isWhole && isCut;
}

[[noreturn]] void cannotWrite(const std::string& path) {
  throw Error(text(path, ": cannot be written (", std::strerror(errno),
                   "); results so far are kept: make room and run the same command again"));
}

}  // namespace

BatchJournal::BatchJournal(const std::string& path, const nlohmann::json& identity) : path_(path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    if (!addBytes(path, 0, identity.dump() + "\n")) cannotWrite(path);
    return;
  }
  const std::string bytes = graph::readFile(path);
  const size_t line = bytes.find('\n');
  const nlohmann::json found = nlohmann::json::parse(bytes.substr(0, line), nullptr, false);
  if (line == std::string::npos || !found.is_object())
    throw Error(text(path, ": damaged, expected results of rdi-evaluate; remove it"));
  if (found != identity)
    throw Error(text(path, ": holds results of another evaluation (", difference(found, identity),
                     "); give another --output folder, or remove this one"));
  size_t at = line + 1;
  while (bytes.size() - at >= sizeof(Head)) {
    Head head;
    std::memcpy(&head, bytes.data() + at, sizeof head);
    const size_t left = bytes.size() - at - sizeof head;
    const bool isSane = head.values >= 0 && head.flags >= 0 &&
                        static_cast<size_t>(head.values) <= left / sizeof(float) &&
                        static_cast<size_t>(head.flags) <= left;
    const size_t size =
        sizeof head + static_cast<size_t>(head.values) * sizeof(float) + static_cast<size_t>(head.flags);
    uint32_t sum = 0;
    if (!isSane || bytes.size() - at < size + sizeof sum) break;
    std::memcpy(&sum, bytes.data() + at + size, sizeof sum);
    if (sum != checksum(bytes.data() + at, size)) break;
    Record& record = records_[head.first];
    record.seconds = head.seconds;
    record.values.resize(static_cast<size_t>(head.values));
    record.flags.resize(static_cast<size_t>(head.flags));
    std::memcpy(record.values.data(), bytes.data() + at + sizeof head, record.values.size() * sizeof(float));
    std::memcpy(record.flags.data(), bytes.data() + at + size - record.flags.size(), record.flags.size());
    at += size + sizeof sum;
  }
  if (at < bytes.size()) std::filesystem::resize_file(path, at, ignored);
}

const BatchJournal::Record* BatchJournal::find(int64_t first) const {
  const auto found = records_.find(first);
  return found == records_.end() ? nullptr : &found->second;
}

void BatchJournal::append(int64_t first, const Record& record) {
  const Head head{first, static_cast<int64_t>(record.values.size()),
                  static_cast<int64_t>(record.flags.size()), record.seconds};
  std::string bytes;
  put(bytes, &head, 1);
  put(bytes, record.values.data(), record.values.size());
  put(bytes, record.flags.data(), record.flags.size());
  const uint32_t sum = checksum(bytes.data(), bytes.size());
  put(bytes, &sum, 1);
  if (!addBytes(path_, std::filesystem::file_size(path_), bytes)) cannotWrite(path_);
  records_[first] = record;
}

}  // namespace rdi::train
