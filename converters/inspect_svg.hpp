// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace rdi::convert {

/// What inspect() found as a picture: the trunk from left to right, cut at the exits; below each cut its
/// branch and its exit with threshold and cost, and, where the file records it, the share of clean test
/// inputs that leaves there; below all a scale of what an input pays that leaves by each exit. SVG 1.1
/// without scripts or outside references.
std::string toSvg(const nlohmann::json& inspected);

}  // namespace rdi::convert
