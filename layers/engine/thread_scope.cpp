// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/thread_scope.hpp"

#include <omp.h>

#include <cstddef>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace rdi::engine {
namespace {

#if defined(__SSE__)
constexpr unsigned int kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
unsigned int floatMode() { return _mm_getcsr(); }
void setFloatMode(unsigned int mode) { _mm_setcsr(mode); }
unsigned int flushing(unsigned int mode) { return mode | kFlushToZero | kDenormalsAreZero; }
#else
unsigned int floatMode() { return 0; }
void setFloatMode(unsigned int) {}
unsigned int flushing(unsigned int mode) { return mode; }
#endif

/// Runs the body on each thread with the thread's number.
template <typename Body>
void onEachThread(int threadCount, const Body& body) {
  if (threadCount == 1) {
    body(0);
    return;
  }
#pragma omp parallel num_threads(threadCount)
  body(static_cast<size_t>(omp_get_thread_num()));
}

}  // namespace

ThreadScope::ThreadScope(int threadCount) : before_(omp_get_max_threads()) {
  if (before_ != threadCount) omp_set_num_threads(threadCount);
}

ThreadScope::~ThreadScope() {
  if (omp_get_max_threads() != before_) omp_set_num_threads(before_);
}

FlushScope::FlushScope(int threadCount) : threadCount_(threadCount) {
  onEachThread(threadCount_, [this](size_t thread) {
    before_[thread] = floatMode();
    setFloatMode(flushing(before_[thread]));
  });
}

FlushScope::~FlushScope() {
  onEachThread(threadCount_, [this](size_t thread) { setFloatMode(before_[thread]); });
}

}  // namespace rdi::engine
