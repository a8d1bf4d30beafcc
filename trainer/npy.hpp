// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace rdi::train {

/// Arrays in NumPy's file format 1.0, little endian, in C order; `numpy.load` reads what is written here.
/// Value is float (`<f4`) or uint8_t (`|u1`). The first dimension counts rows.

/// Writes an array row by row. The file appears under its name when finish() is called; before, and when
/// finish() is never called, there is none. Throws rdi::Error naming the file when it cannot be written.
template <typename Value>
class NpyWriter {
public:
  /// `rowShape` is the shape without the first dimension; empty for an array of numbers.
  NpyWriter(const std::string& path, const std::vector<int64_t>& rowShape);
  ~NpyWriter();
  NpyWriter(const NpyWriter&) = delete;
  NpyWriter& operator=(const NpyWriter&) = delete;

  /// `values` holds rows x rowShape values, row after row.
  void append(const Value* values, int64_t rows);
  void finish();

private:
  [[noreturn]] void fail(const char* what);
  void write(const void* bytes, size_t count);

  std::string path_, temporary_;
  std::vector<int64_t> rowShape_;
  int64_t rows_ = 0;
  int file_ = -1;
};

/// Reads any rows of an array. Throws rdi::Error naming file, found and expected for a file that is damaged,
/// of another size than its header says, of another type, or in Fortran order.
template <typename Value>
class NpyReader {
public:
  explicit NpyReader(const std::string& path);

  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t rows() const { return shape_[0]; }
  int64_t rowSize() const { return rowSize_; }  // values a row

  /// Rows first .. first + number - 1.
  std::vector<Value> read(int64_t first, int64_t number);
  std::vector<Value> readAll() { return read(0, rows()); }

private:
  std::string path_;
  std::ifstream file_;
  std::vector<int64_t> shape_;
  int64_t rowSize_ = 1, dataStart_ = 0;
};

extern template class NpyWriter<float>;
extern template class NpyWriter<uint8_t>;
extern template class NpyReader<float>;
extern template class NpyReader<uint8_t>;

}  // namespace rdi::train
