// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

namespace rdi::convert {

/// The name that becomes `wanted` with the fewest letters inserted, removed or replaced; the first of equals,
/// empty when there are no names.
std::string nearestName(const std::string& wanted, const std::vector<std::string>& names);

}  // namespace rdi::convert
