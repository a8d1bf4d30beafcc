// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

#include "trainer/evaluation.hpp"
#include "trainer/html_report.hpp"

namespace rdi::train {

/// An evaluation and the file it came from.
struct Compared {
  std::string file;
  Evaluation evaluation;
};

/// Why the numbers of two evaluations must not stand side by side - other images, other classes, other
/// attacks' reach -, or nothing when they may.
std::string whyNotComparable(const Evaluation& a, const Evaluation& b);

/// Throws rdi::Error naming the first file that is not comparable with the first of all.
void checkComparable(const std::vector<Compared>& models);

/// For a terminal: a line a model, then what to mind.
std::string comparisonTable(const std::vector<Compared>& models);

/// The same as a page, with plots; files that are not comparable are marked.
HtmlReport comparisonPage(const std::vector<Compared>& models);

}  // namespace rdi::train
