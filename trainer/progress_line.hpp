// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace rdi::train {

/// One line on stderr that a program keeps up to date: rewritten on a terminal, else printed now and then.
class ProgressLine {
public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// Shows the text; off a terminal only when `important` or some seconds after the last one.
  void show(const std::string& text, bool important = false);

  /// Ends the line, so that other output starts on its own.
  void finish();

private:
  bool isTerminal_;
  bool isOpen_ = false;
  std::chrono::steady_clock::time_point last_;
};

/// A LoadProgress that shows on the line how far the reading of pictures is, once it has taken some seconds.
std::function<void(int64_t done, int64_t all)> loadingOn(ProgressLine& line);

/// 3725 -> "1:02:05", for times left.
std::string clockTime(double seconds);

}  // namespace rdi::train
