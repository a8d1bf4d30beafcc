// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace rdi {

/// What a user did or gave that cannot be used: file, what was found, what was expected, what to do.
class Error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Concatenates its arguments with operator<<; for messages.
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

/// The message on one line: line ends and other control characters, with the white space around them, become
/// a space.
inline std::string onOneLine(const std::string& message) {
  std::string result;
  bool broken = false;
  for (const char c : message) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (control) broken = true;
    if (control || (broken && c == ' ')) continue;
    if (broken && !result.empty() && result.back() != ' ') result += ' ';
    broken = false;
    result += c;
  }
  return result;
}

}  // namespace rdi
