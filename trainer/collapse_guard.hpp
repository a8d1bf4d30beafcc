// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <algorithm>
#include <cstdint>

namespace rdi::train {

/// Notices catastrophic overfitting: a net trained on attacks of few steps suddenly withstands only those,
/// and its accuracy under a longer attack falls to almost nothing within an epoch.
class CollapseGuard {
public:
  /// A fall from the best accuracy so far by more than this share of it is a collapse; 0 = nothing is. Below
  /// twice the chance of guessing one of `classCount` there is nothing to lose yet.
  CollapseGuard(double drop, int64_t classCount)
      : drop_(drop), least_(2.0 / static_cast<double>(std::max<int64_t>(classCount, 1))) {}

  /// `robust`: accuracy under attack on images that are not trained on, 0..1.
  bool isCollapse(double robust) const { return drop_ > 0 && best_ > least_ && robust < (1 - drop_) * best_; }

  /// What was reached by weights that are kept.
  void keep(double robust) { best_ = std::max(best_, robust); }
  double best() const { return best_; }

private:
  double drop_, least_, best_ = 0;
};

}  // namespace rdi::train
