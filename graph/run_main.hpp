// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <functional>
#include <string>

namespace rdi {

/// Runs a program's body: returns its exit code, or prints "PROGRAM: MESSAGE" as one line on stderr and
/// returns 1 when it throws. Wrong usage is the option parser's business (exit code 2).
int runMain(const std::string& program, const std::function<int()>& body);

}  // namespace rdi
