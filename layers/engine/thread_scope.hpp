// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <array>

namespace rdi::engine {

/// More threads than this never work on one row.
constexpr int kMostThreads = 256;

/// For its lifetime, OpenMP regions started by this thread (oneDNN's among them) use so many threads.
class ThreadScope {
 public:
  explicit ThreadScope(int threadCount);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

/// For its lifetime, this thread and the `threadCount - 1` OpenMP threads it starts treat denormal floats as zero, as
/// cv::dnn::Net::forward does on its own thread: all of them must, or the result of a row would depend on who
/// computed it. At most kMostThreads.
class FlushScope {
 public:
  explicit FlushScope(int threadCount);
  ~FlushScope();
  FlushScope(const FlushScope&) = delete;
  FlushScope& operator=(const FlushScope&) = delete;

 private:
  int threadCount_;
  std::array<unsigned int, kMostThreads> before_;  // one a thread
};

}  // namespace rdi::engine
