// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluation_table.hpp"

#include <algorithm>
#include <numeric>
#include <sstream>

#include "graph/error.hpp"
#include "trainer/evaluation_summary.hpp"
#include "trainer/number_format.hpp"
#include "trainer/rule_description.hpp"

namespace rdi::train {
namespace {

using Row = std::vector<std::string>;

constexpr size_t kMaxExitName = 8;

std::string shortened(const std::string& name) {
  return name.size() <= kMaxExitName ? name : name.substr(0, kMaxExitName - 2) + "..";
}

Row percents(const std::vector<double>& shares) {
  Row cells;
  for (const double share : shares) cells.push_back(percent(share, 1));
  return cells;
}

// Columns under one title, right-aligned: the title's line, then the rows'. No cells make an empty line.
std::vector<std::string> block(const std::string& title, const std::vector<Row>& rows) {
  std::vector<std::string> lines = {title};
  std::istringstream aligned(alignedTable(rows, FirstColumn::right));
  for (std::string line; std::getline(aligned, line);) lines.push_back(line);
  return lines;
}

// Blocks side by side; a line that only the first one has is a heading across all.
std::string beside(const std::vector<std::vector<std::string>>& blocks) {
  std::vector<size_t> widths(blocks.size(), 0);
  std::vector<bool> isHeading(blocks[0].size());
  for (size_t i = 0; i < blocks[0].size(); ++i) {
    isHeading[i] = blocks.size() > 1 && blocks[1][i].empty();
    for (size_t b = 0; b < blocks.size(); ++b)
      if (!isHeading[i]) widths[b] = std::max(widths[b], blocks[b][i].size());
  }
  std::string table;
  for (size_t i = 0; i < blocks[0].size(); ++i) {
    std::string line;
    for (size_t b = 0; b < (isHeading[i] ? 1 : blocks.size()); ++b)
      line += (b == 0 ? "" : " | ") + blocks[b][i] +
              std::string(widths[b] - std::min(widths[b], blocks[b][i].size()), ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    table += line + "\n";
  }
  return table;
}

// The table of the rows, with these of its columns.
std::string rowsTable(const Evaluation& evaluation, bool hasShares, bool hasForced) {
  std::vector<std::string> names = {"", "images"};
  std::vector<Row> right = {{"%"}}, leaving(1), forced(1), cost = {{"paid", "paper"}};
  for (const graph::ExitCost& exit : evaluation.costs) {
    leaving[0].push_back(shortened(exit.exit));
    forced[0].push_back(shortened(exit.exit));
  }
  Family family = Family::clean;
  for (const size_t i : rowsByFamily(evaluation)) {
    const EvaluationRow& row = evaluation.rows[i];
    if (row.family != family) {
      names.push_back(explain(row.family));
      for (auto* column : {&right, &leaving, &forced, &cost}) column->emplace_back();
    }
    family = row.family;
    const AverageCost average = averageCost(evaluation.costs, row.outcome.shares);
    names.push_back((i == 0 ? "" : "  ") + nameWithNotes(row));
    right.push_back({percent(row.outcome.accuracy)});
    leaving.push_back(percents(row.outcome.shares));
    forced.push_back(percents(row.outcome.accuracyForced));
    cost.push_back({percent(average.paidFraction, 1), percent(average.paperFraction, 1)});
  }
  const bool hasExits = evaluation.costs.size() > 1;
  std::vector<std::vector<std::string>> blocks = {names};
  if (hasShares) blocks.push_back(block("right", right));
  if (hasShares && hasExits) blocks.push_back(block("leaving by, %", leaving));
  if (hasForced && hasExits) blocks.push_back(block("right if forced, %", forced));
  if (hasShares) blocks.push_back(block("cost, %", cost));
  return beside(blocks);
}

std::string summaryLines(const Evaluation& evaluation) {
  const EvaluationSummary summary = summarize(evaluation);
  const std::vector<EvaluationRow>& rows = evaluation.rows;
  const AverageCost clean = averageCost(evaluation.costs, rows[0].outcome.shares);
  std::vector<Row> result;
  const auto accuracy = [&](const std::string& name, double share) {
    result.push_back({name, percent(share) + " %",
                      text("+-", percent(standardError(share, evaluation.imageCount)), "  ")});
  };
  const auto add = [&](const std::string& remark) { result.back().back() += remark; };
  accuracy("clean", rows[0].outcome.accuracy);
  add(text("at ", percent(clean.paidFraction, 1), " % of the static net's cost, every head paid (paper: ",
           percent(clean.paperFraction, 1), " %); ", fixed(clean.paidMmac, 3), " MMAC"));
  if (summary.paperWorst) {
    accuracy("paper worst case", rows[*summary.paperWorst].outcome.accuracy);
    add(text(rows[*summary.paperWorst].name, ", the least of ", summary.paperForms,
             summary.paperForms == 1 ? " form" : " forms"));
  }
  if (summary.adaptiveWorst) {
    accuracy("worst adaptive", rows[*summary.adaptiveWorst].outcome.accuracy);
    add(nameWithNotes(rows[*summary.adaptiveWorst]));
  }
  if (rows.size() > 1) {
    accuracy("union", summary.unionAccuracy);
    std::string where;
    for (const Radius& radius : radiiOf(evaluation))
      where += (where.empty() ? " within " : ", ") + nameOf(radius);
    add(text("right in all of ", summary.unionRows, " rows", where));
  }
  if (evaluation.costs.size() > 1) {
    accuracy("main exit forced", summary.mainForced);
    if (summary.mainForcedWorst)
      add(text("clean; ", percent(*summary.mainForcedWorst), " % under the attack that hurts it most"));
  }
  if (summary.slowdown) {
    const EvaluationRow& slow = rows[*summary.slowdown];
    result.push_back(
        {"cost under slowdown", percent(graph::paidFraction(evaluation.costs, slow.outcome.shares)) + " %",
         text(slow.name, "; efficacy ", fixed(efficacy(evaluation.costs, slow.outcome.shares), 3), ", clean ",
              fixed(efficacy(evaluation.costs, rows[0].outcome.shares), 3))});
  }
  // The remarks are flush left: their column is the last and is not aligned.
  std::vector<Row> numbers;
  for (const Row& row : result) numbers.push_back({row[0], row[1]});
  const std::string aligned = alignedTable(numbers, FirstColumn::left);
  std::string table;
  size_t start = 0;
  for (const Row& row : result) {
    const size_t end = aligned.find('\n', start);
    table += aligned.substr(start, end - start) + "  " + row[2] + "\n";
    start = end + 1;
  }
  return table;
}

size_t widthOf(const std::string& table) {
  size_t widest = 0, start = 0;
  for (size_t end; (end = table.find('\n', start)) != std::string::npos; start = end + 1)
    widest = std::max(widest, end - start);
  return widest;
}

}  // namespace

std::string alignedTable(const std::vector<Row>& rows, FirstColumn firstColumn) {
  std::vector<size_t> widths;
  for (const Row& row : rows)
    for (size_t c = 0; c < row.size(); ++c) {
      if (c == widths.size()) widths.push_back(0);
      widths[c] = std::max(widths[c], row[c].size());
    }
  std::string table;
  for (const Row& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - row[c].size(), ' ');
      line += (c == 0 ? "" : "  ") +
              (c == 0 && firstColumn == FirstColumn::left ? row[c] + space : space + row[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    table += line + "\n";
  }
  return table;
}

std::string nameWithNotes(const EvaluationRow& row) {
  return row.name + (row.inBall ? "" : " *") + (row.onlySurvivors ? " +" : "");
}

std::vector<std::string> notesOn(const Evaluation& evaluation) {
  const auto has = [&](auto isSuch) {
    return std::any_of(evaluation.rows.begin(), evaluation.rows.end(), isSuch);
  };
  std::vector<std::string> notes;
  if (has([](const EvaluationRow& row) { return !row.inBall; }))
    notes.emplace_back("* may change an image more than the others: not in the union");
  if (has([](const EvaluationRow& row) { return row.onlySurvivors; }))
    notes.emplace_back(
        "+ tried only on images that every row before left right: exits and cost are theirs, all others "
        "count as wrong");
  return notes;
}

std::vector<size_t> rowsByFamily(const Evaluation& evaluation) {
  std::vector<size_t> order(evaluation.rows.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return evaluation.rows[a].family < evaluation.rows[b].family; });
  return order;
}

std::string explain(Family family) {
  switch (family) {
    case Family::clean:
      return "clean: the images as they are";
    case Family::paper:
      return "paper: PGD in the forms of the publication";
    case Family::simple:
      return "simple: reported beside";
    case Family::adaptive:
      return "adaptive: know the exit rule, or are stronger than the publication's";
    case Family::blackBox:
      return "black-box: see answers only, no gradients";
    case Family::slowdown:
      return "slowdown: drive up the cost, not the error";
  }
  return "";
}

std::string toTable(const Evaluation& evaluation, size_t width) {
  std::string table = rowsTable(evaluation, true, true);
  if (width > 0 && widthOf(table) > width && evaluation.costs.size() > 1)
    table = rowsTable(evaluation, true, false) + "\n" + rowsTable(evaluation, false, true);
  std::string notes;
  for (const std::string& note : notesOn(evaluation)) notes += note + "\n";
  return text(evaluation.model, ": ", evaluation.imageCount, " ", evaluation.set, " images of ",
              evaluation.data, "\n", describe(evaluation.rule), "\n\n", table, notes, "\n",
              summaryLines(evaluation));
}

}  // namespace rdi::train
