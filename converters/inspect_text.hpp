// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace rdi::convert {

/// What inspect() found, as aligned text for people; ends in a newline.
std::string toText(const nlohmann::json& inspected);

}  // namespace rdi::convert
