// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

/// The command line was wrong: runSample prints the usage text.
struct WrongUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Command line "program [--name value | --name=value | word]...".
class Arguments {
public:
  /// Throws WrongUsage for an option that is not in `known` or has no value.
  Arguments(int argc, char** argv, const std::set<std::string>& known);

  const std::vector<std::string>& words() const { return words_; }
  bool has(const std::string& name) const { return options_.count(name) > 0; }
  std::string get(const std::string& name, const std::string& fallback = "") const;
  /// Throws WrongUsage when the value is not a whole number of at least `lowest`.
  int number(const std::string& name, int fallback, int lowest = 0) const;

private:
  std::vector<std::string> words_;
  std::map<std::string, std::string> options_;
};

/// Runs a program's body. Returns what it returns; 1 after printing the message of an exception on one line;
/// 2 after printing message and usage of WrongUsage. --help prints the usage and returns 0.
int runSample(int argc, char** argv, const std::string& usage, const std::function<int()>& body);
