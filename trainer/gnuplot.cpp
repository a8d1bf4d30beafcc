// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/gnuplot.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

// A file without a name: unlike a pipe it takes everything at once, so nobody waits for anybody.
File temporaryFile() {
  File file(std::tmpfile());
  if (!file) throw Error(text("gnuplot needs a temporary file: ", std::strerror(errno)));
  return file;
}

std::string wholeOf(std::FILE* file) {
  std::rewind(file);
  std::string result;
  char buffer[4096];
  for (size_t count; (count = std::fread(buffer, 1, sizeof buffer, file)) > 0;) result.append(buffer, count);
  return result;
}

}  // namespace

std::string runGnuplot(const std::string& script) {
  const File in = temporaryFile(), out = temporaryFile(), err = temporaryFile();
  if (std::fwrite(script.data(), 1, script.size(), in.get()) != script.size() || std::fflush(in.get()) != 0)
    throw Error(text("the script for gnuplot cannot be written to a temporary file: ", std::strerror(errno)));
  std::rewind(in.get());

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, fileno(in.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, fileno(out.get()), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, fileno(err.get()), STDERR_FILENO);
  char program[] = "gnuplot", ownSettingsOnly[] = "-d";
  char* arguments[] = {program, ownSettingsOnly, nullptr};
  pid_t child = 0;
  const int failed = posix_spawnp(&child, program, &files, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&files);
  if (failed == ENOENT)
    throw Error("plots need gnuplot, which is not installed; on Debian: apt-get install gnuplot-nox");
  if (failed != 0) throw Error(text("gnuplot cannot be started: ", std::strerror(failed)));

  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw Error(text("gnuplot was lost: ", std::strerror(errno)));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw Error(text("gnuplot failed: ", onOneLine(wholeOf(err.get()))));
  return wholeOf(out.get());
}

std::string gnuplotString(const std::string& text) {
  std::string result = "'";
  for (const char c : onOneLine(text)) result += c == '\'' ? "''" : std::string(1, c);
  return result + "'";
}

}  // namespace rdi::train
