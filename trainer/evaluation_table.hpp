// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

#include "trainer/evaluation.hpp"

namespace rdi::train {

/// For a terminal: what was measured, a line a row, by family, then the figures to lead with. Shares and
/// costs are in percent, the cost of the static net being 100. Where the columns need more than `width`
/// characters (0 = no limit), the exits' accuracies get a table of their own below.
std::string toTable(const Evaluation& evaluation, size_t width = 0);

/// Cells in columns as wide as their widest one, flush right but for the first column, which may be flush
/// left.
enum class FirstColumn { left, right };
std::string alignedTable(const std::vector<std::vector<std::string>>& rows, FirstColumn firstColumn);

/// Indices of the rows in the order they are shown in: by family, within it as they were run.
std::vector<size_t> rowsByFamily(const Evaluation& evaluation);

/// The row's name, with a * when it is not in the ball and a + when it was tried on survivors alone.
std::string nameWithNotes(const EvaluationRow& row);

/// What these marks mean, for those that occur.
std::vector<std::string> notesOn(const Evaluation& evaluation);

/// What a family is, for people: "paper: ...".
std::string explain(Family family);

}  // namespace rdi::train
