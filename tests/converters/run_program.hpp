// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

namespace rdi::test {

struct ProgramResult {
  int exitCode = -1;  // -1 when a signal ended it
  std::string out, err;
};

/// Runs a program with these arguments and no shell in `folder`, and waits for its end.
ProgramResult runProgram(const std::string& program, const std::vector<std::string>& arguments,
                         const std::string& folder);

}  // namespace rdi::test
