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

/// The message on one line: every run of white space becomes one space.
inline std::string onOneLine(const std::string& message) {
  std::istringstream words(message);
  std::string result;
  for (std::string word; words >> word;) result += (result.empty() ? "" : " ") + word;
  return result;
}

}  // namespace rdi
