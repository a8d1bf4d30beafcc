// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/evaluation.hpp"

namespace rdi::train {

/// For reading: a line a row, shares and costs in percent, the cost of the static net being 100.
std::string toTable(const Evaluation& report);

/// The same for programs; shares 0..1.
nlohmann::json toJson(const Evaluation& report);

}  // namespace rdi::train
