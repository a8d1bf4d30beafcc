// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/thread_scope.hpp"

#include <omp.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace rdi::engine {
namespace {

#if defined(__SSE__)
constexpr unsigned int kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
unsigned int floatMode() { return _mm_getcsr(); }
void setFloatMode(unsigned int mode) { _mm_setcsr(mode); }
unsigned int withDenormals(unsigned int mode) { return mode & ~(kFlushToZero | kDenormalsAreZero); }
#else
unsigned int floatMode() { return 0; }
void setFloatMode(unsigned int) {}
unsigned int withDenormals(unsigned int mode) { return mode; }
#endif

}  // namespace

ThreadScope::ThreadScope(int threadCount) : before_(omp_get_max_threads()) {
  if (before_ != threadCount) omp_set_num_threads(threadCount);
}

ThreadScope::~ThreadScope() {
  if (omp_get_max_threads() != before_) omp_set_num_threads(before_);
}

DenormalScope::DenormalScope() : before_(floatMode()) { setFloatMode(withDenormals(before_)); }

DenormalScope::~DenormalScope() { setFloatMode(before_); }

}  // namespace rdi::engine
