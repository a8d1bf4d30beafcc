// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/thread_choice.hpp"

#include <algorithm>
#include <limits>

namespace rdi::engine {
namespace {

constexpr int kShortestInterval = 16, kLongestInterval = 4096;
constexpr double kMemory = 0.75;  // weight of the past in the running average

}  // namespace

bool ThreadChoice::several() const {
  if (seconds_[0] == 0) return false;
  if (seconds_[1] == 0) return true;
  const bool faster = seconds_[1] < seconds_[0];
  return untilTrial_ == 0 ? !faster : faster;
}

double ThreadChoice::patience() const {
  return seconds_[0] == 0 ? std::numeric_limits<double>::infinity() : kPatience * seconds_[0];
}

void ThreadChoice::record(bool several, double seconds) {
  if (!several && warmUps_ > 0) {
    --warmUps_;
    return;
  }
  const bool known = seconds_[0] != 0 && seconds_[1] != 0;
  const bool fasterBefore = seconds_[1] < seconds_[0];
  const bool trial = known && several != fasterBefore;
  double& average = seconds_[several ? 1 : 0];
  // One row that was interrupted says little about the way that is in use; a trial replaces what was known.
  average =
      average == 0 || trial ? seconds : kMemory * average + (1 - kMemory) * std::min(seconds, 4 * average);
  if (!known) return;
  const bool changed = (seconds_[1] < seconds_[0]) != fasterBefore;
  if (changed)
    interval_ = kShortestInterval;
  else if (trial)
    interval_ = std::min(2 * interval_, kLongestInterval);
  untilTrial_ = changed || trial ? interval_ : std::max(untilTrial_ - 1, 0);
}

}  // namespace rdi::engine
