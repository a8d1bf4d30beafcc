// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <string>

#include "graph/zoo/network_builder.hpp"

namespace rdi::zoo {

/// A branch classifier that costs next to nothing: pools features of `size` x `size` to 8 x 8, halves them
/// twice by convolutions of `width` channels (once where they are 4 x 4), pools and classifies. Few weights
/// matter as much as few multiplications: applied to so few pixels, they are read more than they compute. Its
/// layers are called `branch.*`, its output `exit`.
void addLeanBranch(NetworkBuilder& net, const std::string& branch, const std::string& exit,
                   const std::string& src, int64_t size, int64_t width, int64_t classes);

}  // namespace rdi::zoo
