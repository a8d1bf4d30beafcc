// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/text_table.hpp"

#include <algorithm>
#include <cstdio>

namespace rdi::convert {

using nlohmann::json;

std::string textTable(const std::vector<Row>& rows, const std::string& alignment) {
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string result;
  for (const auto& row : rows) {
    std::string printed = " ";
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - row[c].size(), ' ');
      printed += (c ? "  " : " ") + (alignment[c] == 'l' ? row[c] + space : space + row[c]);
    }
    printed.erase(printed.find_last_not_of(' ') + 1);
    result += printed + "\n";
  }
  return result;
}

std::string plainText(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%.6g", value.get<double>());
    return buffer;
  }
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace rdi::convert
