// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "trainer/run_folder.hpp"

namespace rdi::train {

/// The program that trains, as the run folder tells of it.
struct RunOrigin {
  std::string version, revision;  // of the program; the revision as git names it, or "unknown"
  std::string command;            // as it was typed
  std::string recipe;             // all options as a file for --config; empty = no such file
};

/// Begins run.json with `facts` (an object), and writes recipe.ini.
void writeRunRecord(const RunFolder& folder, const RunOrigin& origin, const nlohmann::json& facts);

/// Adds to run.json that somebody began, or went on, at this iteration; `machine` (an object) says on what.
void recordStart(const RunFolder& folder, const RunOrigin& origin, int64_t iteration,
                 const nlohmann::json& machine);

/// Adds to run.json how it came out, `result` being an object such as {"outcome": "finished"}.
void recordEnd(const RunFolder& folder, const nlohmann::json& result);

}  // namespace rdi::train
