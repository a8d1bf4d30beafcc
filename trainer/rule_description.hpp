// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

#include "graph/exit_rule.hpp"

namespace rdi::train {

/// "leaves when entropy is below 0.2, 0.3; fusion last, patience 1"; "one exit" without thresholds.
std::string describe(const graph::ExitRule& rule);

}  // namespace rdi::train
