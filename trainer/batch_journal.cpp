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
#include <fstream>
#include <optional>

#include "graph/error.hpp"

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

uint32_t checksum(const std::string& bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

struct FileRecord {
  Head head;
  BatchJournal::Record record;
  size_t size = 0;  // in the file
};

// The record that begins here in a file of `fileSize` bytes; nothing when it is cut off or damaged.
std::optional<FileRecord> recordAt(std::ifstream& file, size_t place, size_t fileSize) {
  FileRecord found;
  Head& head = found.head;
  uint32_t sum = 0;
  const size_t around = sizeof head + sizeof sum;
  if (fileSize < place + around) return {};
  const size_t most = fileSize - place - around;
  std::string bytes(sizeof head, 0);
  file.seekg(static_cast<std::streamoff>(place));
  file.read(bytes.data(), sizeof head);
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.values < 0 || head.flags < 0 || static_cast<size_t>(head.values) > most / sizeof(float)) return {};
  const size_t values = static_cast<size_t>(head.values) * sizeof(float);
  const auto flags = static_cast<size_t>(head.flags);
  if (flags > most - values) return {};
  bytes.resize(sizeof head + values + flags);
  file.read(bytes.data() + sizeof head, static_cast<std::streamsize>(values + flags));
  file.read(reinterpret_cast<char*>(&sum), sizeof sum);
  if (!file || sum != checksum(bytes)) return {};
  found.size = bytes.size() + sizeof sum;
  found.record.seconds = head.seconds;
  found.record.values.resize(static_cast<size_t>(head.values));
  found.record.flags.resize(flags);
  std::memcpy(found.record.values.data(), bytes.data() + sizeof head, values);
  std::memcpy(found.record.flags.data(), bytes.data() + sizeof head + values, flags);
  return found;
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
  const std::string line = identity.dump() + "\n";
  if (!std::filesystem::exists(path, ignored)) {
    if (!addBytes(path, 0, line)) cannotWrite(path);
    end_ = line.size();
    return;
  }
  std::ifstream file(path, std::ios::binary);
  std::string first;
  std::getline(file, first);
  const nlohmann::json found = nlohmann::json::parse(first, nullptr, false);
  if (!file || file.eof() || !found.is_object())
    throw Error(text(path, ": damaged, expected results of rdi-evaluate; remove it"));
  if (found != identity)
    throw Error(text(path, ": holds results of another evaluation (", difference(found, identity),
                     "); give another --output folder, or remove this one"));
  end_ = first.size() + 1;
  const size_t size = std::filesystem::file_size(path);
  while (const auto record = recordAt(file, end_, size)) {
    places_[record->head.first] = end_;
    end_ += record->size;
  }
  if (end_ < size) std::filesystem::resize_file(path, end_, ignored);
}

BatchJournal::Record BatchJournal::read(int64_t first) const {
  std::ifstream file(path_, std::ios::binary);
  const auto found = recordAt(file, places_.at(first), end_);
  if (!found) throw Error(text(path_, ": changed while it was in use; run the same command again"));
  return found->record;
}

void BatchJournal::append(int64_t first, const Record& record) {
  const Head head{first, static_cast<int64_t>(record.values.size()),
                  static_cast<int64_t>(record.flags.size()), record.seconds};
  std::string bytes;
  put(bytes, &head, 1);
  put(bytes, record.values.data(), record.values.size());
  put(bytes, record.flags.data(), record.flags.size());
  const uint32_t sum = checksum(bytes);
  put(bytes, &sum, 1);
  if (!addBytes(path_, end_, bytes)) cannotWrite(path_);
  places_[first] = end_;
  end_ += bytes.size();
}

}  // namespace rdi::train
