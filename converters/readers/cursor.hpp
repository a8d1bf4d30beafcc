// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "graph/error.hpp"

namespace rdi::convert::readers {

/// Walks through bytes and never leaves them.
class Cursor {
public:
  explicit Cursor(std::string_view bytes, size_t position = 0) : bytes_(bytes), position_(position) {}

  size_t position() const { return position_; }
  size_t left() const { return position_ > bytes_.size() ? 0 : bytes_.size() - position_; }

  /// The next `count` bytes; throws rdi::Error when fewer are left.
  std::string_view take(uint64_t count) {
    if (count > left())
      throw Error(text("is cut short or damaged: found ", left(), " bytes at byte ", position_, ", expected ",
                       count));
    const auto taken = bytes_.substr(position_, static_cast<size_t>(count));
    position_ += static_cast<size_t>(count);
    return taken;
  }

  /// The next little-endian number.
  template <typename Number>
  Number read() {
    Number number;
    std::memcpy(&number, take(sizeof number).data(), sizeof number);
    return number;
  }

  /// Up to the next line end, which is taken too; throws rdi::Error when there is none.
  std::string_view line() {
    const auto end = bytes_.find('\n', position_);
    if (end == std::string_view::npos)
      throw Error(text("is cut short or damaged: the line at byte ", position_, " does not end"));
    const auto taken = take(end - position_);
    take(1);
    return taken;
  }

private:
  std::string_view bytes_;
  size_t position_;
};

}  // namespace rdi::convert::readers
