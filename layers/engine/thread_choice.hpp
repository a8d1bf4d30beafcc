// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

namespace rdi::engine {

/// Decides for each single row whether it runs on one thread or on several, from the time that rows took: a
/// small stage may lose more by waking threads than it wins, and on a machine that has other work each
/// barrier may wait for a thread that is not scheduled, which costs milliseconds. The answer never changes a
/// result, only its time.
class ThreadChoice {
public:
  /// A row may take so many times what it takes on one thread.
  static constexpr double kPatience = 1.5;

  /// True when the next row should try several threads.
  bool several() const;

  /// Seconds after which a row on several threads has lost and should be finished on one.
  double patience() const;

  /// What a row took.
  void record(bool several, double seconds);

private:
  double seconds_[2] = {0, 0};  // one thread, several; 0 = not known yet
  int warmUps_ = 1;             // rows on one thread that do not count: caches are cold
  int interval_ = 16;           // rows between two trials of the slower way
  int untilTrial_ = 16;
};

}  // namespace rdi::engine
