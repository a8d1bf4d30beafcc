// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/progress_line.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace rdi::train {
namespace {

constexpr double kSecondsBetweenLines = 10;
constexpr double kSecondsThatNeedNoNews = 3;

}  // namespace

ProgressLine::ProgressLine() : isTerminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { finish(); }

void ProgressLine::show(const std::string& text, bool important) {
  const auto now = std::chrono::steady_clock::now();
  if (isTerminal_) {
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
    isOpen_ = true;
  } else if (important || std::chrono::duration<double>(now - last_).count() >= kSecondsBetweenLines) {
    std::fprintf(stderr, "%s\n", text.c_str());
    last_ = now;
  }
}

void ProgressLine::finish() {
  if (isOpen_) std::fputc('\n', stderr);
  isOpen_ = false;
}

std::function<void(int64_t, int64_t)> loadingOn(ProgressLine& line) {
  const auto start = std::chrono::steady_clock::now();
  return [&line, start](int64_t done, int64_t all) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (seconds < kSecondsThatNeedNoNews) return;
    const double left = seconds / static_cast<double>(done) * static_cast<double>(all - done);
    line.show("reading pictures  " + std::to_string(done) + "/" + std::to_string(all) + "  " +
              clockTime(left) + " left");
  };
}

std::string clockTime(double seconds) {
  const auto total = static_cast<long>(std::lround(std::clamp(seconds, 0.0, 3.6e8)));
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%ld:%02ld:%02ld", total / 3600, total / 60 % 60, total % 60);
  return buffer;
}

}  // namespace rdi::train
