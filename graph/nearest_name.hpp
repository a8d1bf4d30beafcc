// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

namespace rdi {

/// The known name that a mistyped one was probably meant to be: the fewest letters inserted, left out,
/// replaced or exchanged with their neighbour. Empty when even that is too many to be a slip.
std::string nearestName(const std::string& found, const std::vector<std::string>& known);

/// "; did you mean NAME?", or nothing.
std::string didYouMean(const std::string& found, const std::vector<std::string>& known);

}  // namespace rdi
