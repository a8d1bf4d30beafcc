// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
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
  Process(const TemporaryFolder& folder, const std::vector<std::string>& arguments)
      : out_(folder.path("out.txt")), err_(folder.path("err.txt")), pid_(fork()) {
    if (pid_ != 0) return;
    std::vector<char*> pointers;
    for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    dup2(open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    dup2(open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    execv(pointers[0], pointers.data());
    _exit(127);
  }

  void send(int signal) const { kill(pid_, signal); }

  Result wait() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), graph::readFile(out_),
            graph::readFile(err_)};
  }

private:
  std::string out_, err_;
  pid_t pid_;
};

}  // namespace rdi::test
