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

}  // namespace rdi
