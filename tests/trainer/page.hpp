// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

namespace rdi::test {

/// How often a part occurs.
size_t count(const std::string& content, const std::string& part);

/// An HTML page whose elements are all closed, whose identifiers are unique, and which needs no other file
/// and no script.
void expectCompletePage(const std::string& page);

/// Another PATH for as long as it lives.
class PathIs {
public:
  explicit PathIs(const std::string& path);
  ~PathIs();
  PathIs(const PathIs&) = delete;
  PathIs& operator=(const PathIs&) = delete;

private:
  std::string old_;
};

}  // namespace rdi::test
