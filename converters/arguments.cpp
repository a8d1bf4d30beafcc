// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/arguments.hpp"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <system_error>

#include "graph/error.hpp"

namespace rdi::convert {

std::vector<std::string> parseNames(const std::string& list, const std::string& option) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    names.push_back(list.substr(begin, end - begin));
    if (names.back().empty())
      throw Error(text(option, " is '", list, "': entry ", names.size(),
                       " is empty; expected values separated by single commas"));
    begin = end + 1;
  }
  return names;
}

std::vector<float> parseNumbers(const std::string& list, const std::string& option) {
  std::vector<float> numbers;
  for (const auto& entry : parseNames(list, option)) {
    const bool plus =
        entry[0] == '+' && entry.compare(1, 1, "-") != 0;  // from_chars knows the minus sign alone
    const char* begin = entry.data() + (plus ? 1 : 0);
    const char* end = entry.data() + entry.size();
    float value = 0;
    const auto [stop, code] = std::from_chars(begin, end, value);
    if (code != std::errc() || stop != end || std::isnan(value))
      throw Error(text(option, ": entry ", numbers.size() + 1, " is '", entry,
                       "', expected a number, inf (everybody leaves) or -inf (nobody)"));
    numbers.push_back(value);
  }
  return numbers;
}

void checkOutputIsNotInput(const std::string& input, const std::string& output) {
  std::error_code ignored;
  if (std::filesystem::equivalent(input, output, ignored))
    throw Error(text(output, ": is the input file too; expected another file to write to"));
}

}  // namespace rdi::convert
