// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "graph/model_io.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::test {

/// How a program ended, and what it said.
struct Result {
  int exitCode = 0;
  std::string out, err;
};

/// A program that runs; its output goes to files in the folder.
class Process {
public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  /// `environment` is added to ours.
  Process(const TemporaryFolder& folder, const std::vector<std::string>& arguments,
          const Environment& environment = {})
      : Process(folder, arguments, environment, nextNumber()) {}

  void send(int signal) const { kill(pid_, signal); }

  Result wait() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), graph::readFile(out_),
            graph::readFile(err_)};
  }

  /// What it said on stderr so far.
  std::string errSoFar() const { return graph::readFile(err_); }

private:
  Process(const TemporaryFolder& folder, const std::vector<std::string>& arguments,
          const Environment& environment, int number)
      : out_(folder.path("out." + std::to_string(number))),
        err_(folder.path("err." + std::to_string(number))) {
    for (const std::string& file : {out_, err_})
      test::writeFile(file, "");  // it may die before it opens them
    pid_ = fork();
    if (pid_ != 0) return;
    std::vector<char*> pointers;
    for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    dup2(open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    dup2(open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    execvp(pointers[0], pointers.data());
    _exit(127);
  }

  static int nextNumber() {
    static int number = 0;
    return number++;
  }

private:
  std::string out_, err_;
  pid_t pid_ = 0;
};

}  // namespace rdi::test
