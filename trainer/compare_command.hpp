// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace rdi::train {

/// rdi-evaluate compare A.json B.json ...: several models in one table and on one page.
struct CompareArguments {
  std::vector<std::string> files;
  std::string output;
  bool anyway = false;  // what is not comparable is marked, not refused
};
void declareCompare(CLI::App& app, CompareArguments& arguments);
int compare(const CompareArguments& arguments);

}  // namespace rdi::train
