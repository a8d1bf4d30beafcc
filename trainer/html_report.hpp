// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <optional>
#include <string>

#include "trainer/evaluation.hpp"

namespace rdi::train {

struct ReportOptions {
  /// Another model on the same images, for the plot of accuracy against cost.
  std::optional<Evaluation> baseline;
};

/// A page for people, complete in one file. Plots that cannot be drawn are left out of it.
struct HtmlReport {
  std::string page;
  std::string missing;  // why plots are missing; empty when all are there
};

/// Throws rdi::Error when the baseline is not comparable (trainer/comparison.hpp).
HtmlReport htmlReport(const Evaluation& evaluation, const ReportOptions& options = {});

}  // namespace rdi::train
