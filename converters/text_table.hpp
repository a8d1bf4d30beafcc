// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace rdi::convert {

using Row = std::vector<std::string>;

/// Columns as wide as their widest cell, flush left where `alignment` has an 'l' and right where it has an
/// 'r'.
std::string textTable(const std::vector<Row>& rows, const std::string& alignment);

/// A plain JSON value without quotes; numbers with six digits.
std::string plainText(const nlohmann::json& value);

}  // namespace rdi::convert
