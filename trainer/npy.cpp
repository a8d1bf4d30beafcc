// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// A .npy file:
//   93 4e 55 4d 50 59 01 00    "\x93NUMPY", version 1.0
//   76 00                      length of the text that follows, little endian
//   {'descr': '<f4', 'fortran_order': False, 'shape': (10000, 3, 32, 32), }   spaces, a line end
//   ...                        the values
// The text is padded so that the values begin at a multiple of 64.

#include "trainer/npy.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <regex>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

constexpr char kMagic[] = "\x93NUMPY\x01";  // and a zero
constexpr size_t kMagicSize = 8, kTextStart = kMagicSize + 2;
// Room for every shape that is written here, so that the number of rows can be put in last.
constexpr size_t kWrittenHeader = 192, kLongestText = 4096;

template <typename Value>
constexpr const char* kType = "<f4";
template <>
constexpr const char* kType<uint8_t> = "|u1";

std::string header(const char* type, int64_t rows, const std::vector<int64_t>& rowShape) {
  std::string shape = std::to_string(rows) + ",";
  for (size_t i = 0; i < rowShape.size(); ++i)
    shape += " " + std::to_string(rowShape[i]) + (i + 1 < rowShape.size() ? "," : "");
  std::string words = text("{'descr': '", type, "', 'fortran_order': False, 'shape': (", shape, "), }");
  words.resize(kWrittenHeader - kTextStart - 1, ' ');
  words += '\n';
  std::string bytes(kMagic, kMagicSize);
  bytes += static_cast<char>(words.size() & 0xff);
  bytes += static_cast<char>(words.size() >> 8);
  return bytes + words;
}

std::string valueOf(const std::string& words, const char* key, const char* pattern) {
  std::smatch match;
  if (!std::regex_search(words, match, std::regex(text("'", key, "'\\s*:\\s*", pattern)))) return {};
  return match[1];
}

}  // namespace

template <typename Value>
NpyWriter<Value>::NpyWriter(const std::string& path, const std::vector<int64_t>& rowShape)
    : path_(path), temporary_(text(path, ".tmp.", getpid())), rowShape_(rowShape) {
  if (rowShape.size() > 5)
    throw Error(text(path, ": found ", rowShape.size(), " dimensions a row, expected up to 5"));
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file_ < 0) fail("created");
  const std::string bytes = header(kType<Value>, 0, rowShape_);
  write(bytes.data(), bytes.size());
}

template <typename Value>
NpyWriter<Value>::~NpyWriter() {
  if (file_ < 0) return;
  ::close(file_);
  std::remove(temporary_.c_str());
}

template <typename Value>
void NpyWriter<Value>::append(const Value* values, int64_t rows) {
  size_t count = static_cast<size_t>(rows);
  for (const int64_t size : rowShape_) count *= static_cast<size_t>(size);
  write(values, count * sizeof(Value));
  rows_ += rows;
}

template <typename Value>
void NpyWriter<Value>::finish() {
  if (::lseek(file_, 0, SEEK_SET) != 0) fail("written");
  const std::string bytes = header(kType<Value>, rows_, rowShape_);
  write(bytes.data(), bytes.size());
  if (::fsync(file_) != 0) fail("written");
  const int file = file_;
  file_ = -1;
  if (::close(file) != 0) fail("written");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("replaced");
}

template <typename Value>
void NpyWriter<Value>::fail(const char* what) {
  const int code = errno;
  if (file_ >= 0) ::close(file_);
  file_ = -1;
  std::remove(temporary_.c_str());
  throw Error(text(path_, ": cannot be ", what, ": ", std::strerror(code)));
}

template <typename Value>
void NpyWriter<Value>::write(const void* bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    const ssize_t written = ::write(file_, static_cast<const char*>(bytes) + done, count - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("written");
    done += static_cast<size_t>(written);
  }
}

template <typename Value>
NpyReader<Value>::NpyReader(const std::string& path) : path_(path), file_(path, std::ios::binary) {
  std::error_code problem;
  const auto size = std::filesystem::file_size(path, problem);
  if (!file_ || problem) throw Error(text(path, ": cannot be opened for reading"));
  char start[kTextStart] = {};
  file_.read(start, sizeof start);
  if (!file_ || std::memcmp(start, kMagic, 6) != 0) throw Error(text(path, ": is no NumPy file (.npy)"));
  if (std::memcmp(start, kMagic, kMagicSize) != 0)
    throw Error(text(path, ": found NumPy format ", int{start[6]}, ".", int{start[7]}, ", expected 1.0"));
  const size_t length =
      static_cast<unsigned char>(start[8]) | (size_t{static_cast<unsigned char>(start[9])} << 8);
  std::string words(std::min(length, kLongestText + 1), '\0');
  if (length > kLongestText || !file_.read(words.data(), static_cast<std::streamsize>(length)))
    throw Error(text(path, ": the header is cut short or damaged"));

  const std::string type = valueOf(words, "descr", "'([^']*)'");
  if (type != kType<Value>)
    throw Error(text(path, ": found values of type \"", type, "\", expected \"", kType<Value>, "\" (",
                     sizeof(Value) == 1 ? "uint8" : "float32, little endian", ")"));
  if (valueOf(words, "fortran_order", "(True|False)") != "False")
    throw Error(text(path, ": found an array in Fortran order, expected C order (numpy.ascontiguousarray)"));
  const std::string shape = valueOf(words, "shape", "\\(([0-9, ]*)\\)");
  const std::regex number("[0-9]+");
  uintmax_t expected = sizeof(Value), most = expected;  // most: as if no dimension were 0
  for (std::sregex_iterator it(shape.begin(), shape.end(), number), end; it != end; ++it) {
    constexpr uintmax_t kMost = uintmax_t{1} << 46;  // 64 TiB
    const std::string digits = it->str();
    const uintmax_t dim = digits.size() > 14 ? kMost : std::stoull(digits);
    if (dim >= kMost || (dim > 0 && most > kMost / dim))
      throw Error(text(path, ": the header announces an array of shape (", shape, "); the file is damaged"));
    expected *= dim;
    if (dim > 0) most *= dim;
    shape_.push_back(static_cast<int64_t>(dim));
  }
  if (shape_.empty())
    throw Error(text(path, ": found shape (", shape, "), expected an array with at least one dimension"));
  for (size_t i = 1; i < shape_.size(); ++i) rowSize_ *= shape_[i];
  dataStart_ = static_cast<int64_t>(kTextStart + length);
  const uintmax_t found = size - static_cast<uintmax_t>(dataStart_);
  if (found != expected)
    throw Error(text(path, ": found ", found, " bytes of values, expected ", expected, " for shape (", shape,
                     "); the file is ", found < expected ? "cut short" : "too long"));
}

template <typename Value>
std::vector<Value> NpyReader<Value>::read(int64_t first, int64_t number) {
  if (first < 0 || number < 0 || number > rows() - first)
    throw Error(text(path_, ": found ", rows(), " rows, asked for ", first, " to ", first + number - 1));
  const int64_t rowBytes = rowSize_ * static_cast<int64_t>(sizeof(Value));
  std::vector<Value> values(static_cast<size_t>(number * rowSize_));
  file_.seekg(dataStart_ + first * rowBytes);
  if (!file_.read(reinterpret_cast<char*>(values.data()), number * rowBytes))
    throw Error(text(path_, ": cannot be read to its end"));
  return values;
}

template class NpyWriter<float>;
template class NpyWriter<uint8_t>;
template class NpyReader<float>;
template class NpyReader<uint8_t>;

}  // namespace rdi::train
