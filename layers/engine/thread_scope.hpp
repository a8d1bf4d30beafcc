// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

namespace rdi::engine {

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

/// For its lifetime, this thread computes with denormal floats, as the OpenMP threads it starts do. cv::dnn
/// flushes them to zero, but only on its own threads: the result of a row would depend on who computed it.
class DenormalScope {
public:
  DenormalScope();
  ~DenormalScope();
  DenormalScope(const DenormalScope&) = delete;
  DenormalScope& operator=(const DenormalScope&) = delete;

private:
  unsigned int before_;
};

}  // namespace rdi::engine
