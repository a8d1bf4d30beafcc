// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

namespace rdi::convert {

/// "a,b,c" -> {a, b, c}; throws rdi::Error naming `option` for an empty entry.
std::vector<std::string> parseNames(const std::string& list, const std::string& option);

/// "0.3,inf,-inf" -> floats; throws rdi::Error naming `option` for an entry that is not a number, is NaN, or
/// is too large for float32.
std::vector<float> parseNumbers(const std::string& list, const std::string& option);

/// Throws rdi::Error when both paths are the same file.
void checkOutputIsNotInput(const std::string& input, const std::string& output);

}  // namespace rdi::convert
