// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/rule_description.hpp"

#include "graph/error.hpp"

namespace rdi::train {

std::string describe(const graph::ExitRule& rule) {
  if (rule.thresholds.empty()) return "one exit";
  std::string thresholds;
  for (float threshold : rule.thresholds) thresholds += text(thresholds.empty() ? "" : ", ", threshold);
  return text("leaves when ", graph::nameOf(rule.criterion), " is below ", thresholds, "; fusion ",
              graph::nameOf(rule.fusion), ", patience ", rule.patience);
}

}  // namespace rdi::train
