// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "trainer/attack_options.hpp"

namespace rdi::train {

/// Parses, then runs the body. Exit code 2 for wrong usage, 1 when body throws or the --config file cannot be
/// read.
int runProgram(CLI::App& app, const std::string& program, int argc, char** argv,
               const std::function<int()>& body);

/// --config FILE: an ini file with any of the app's options. A key that is none of them is wrong usage; the
/// nearest option is named.
void addRecipeOption(CLI::App& app);

/// Lets an option for a number be written as a fraction: 8/255.
CLI::Validator fraction();

/// --epsilon, --step-size, --steps under the given names, and the rest of what an attack can be told.
void addAttackOptions(CLI::App& app, AttackOptions& options, const std::string& stepsName);

/// The command as it was typed, for people to type again: words that a shell would break are quoted.
std::string commandLine(int argc, const char* const* argv);

/// Characters in a line of the terminal that stdout is; 0 when it is none.
size_t terminalWidth();

/// After the first SIGINT or SIGTERM stopRequested() is true; a second one ends the program at once.
void catchStopSignals();
bool stopRequested();

/// What a program stopped by a signal returns.
constexpr int kStoppedExitCode = 130;

}  // namespace rdi::train
