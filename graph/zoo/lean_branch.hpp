// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <string>

#include "graph/shapes.hpp"
#include "graph/zoo/network_builder.hpp"

namespace rdi::zoo {

/// Multiply-accumulates of a lean branch on C x H x W features.
int64_t leanBranchMacs(const graph::Shape& features, int64_t width, int64_t classes);

/// A branch classifier that costs next to nothing: pools features, C x H x W, to about 8 x 8, halves them
/// twice by convolutions of `width` and of 2 `width` channels, pools and classifies; more depth wins more
/// than more width or more pixels. Few weights matter as much as few multiplications: applied to so few
/// pixels, they are read more than they compute. Its layers are called `branch.*`; returns its scores.
std::string addLeanBranch(NetworkBuilder& net, const std::string& branch, const std::string& src,
                          const graph::Shape& features, int64_t width, int64_t classes);

}  // namespace rdi::zoo
