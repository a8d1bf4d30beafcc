// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluation_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "tests/trainer/sample_evaluation.hpp"
#include "trainer/evaluation_summary.hpp"

namespace rdi::train {
namespace {

std::vector<std::string> linesOf(const std::string& table) {
  std::vector<std::string> lines;
  std::istringstream stream(table);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool has(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

TEST(EvaluationTable, ShowsEveryRowByFamilyAndTheFiguresBelow) {
  const auto lines = linesOf(toTable(test::multiExitSample()));
  for (const char* line : {
           "models/rdi-resnet38-cifar10.onnx: 1000 test images of cifar10",
           "leaves when entropy is below 0.2642, 0.3698, 0.3614, 0.7664, 1.0351, 1.3061; fusion last, "
           "patience 1",
           "clean                 | 84.80 |   6.8   12.4   11.7   22.7   15.0   16.4  15.0 |  71.1   75.4   "
           "78.5   80.7 "
           "  82.1   84.9  83.7 |  85.7   67.9",
           "paper: PGD in the forms of the publication",
           "  slowdown hinge      | 74.70 |   0.3    0.6    3.5   11.7   15.0   11.7  57.2 |  58.7   64.9   "
           "69.3   72.5 "
           "  75.1   77.4  78.3 | 110.1   89.1",
           "* may change an image more than the others: not in the union",
           "+ tried only on images that every row before left right: exits and cost are theirs, all others "
           "count as wrong",
           "clean                 84.80 %  +-1.14  at 85.7 % of the static net's cost, every head paid "
           "(paper: 67.9 %); "
           "71.390 MMAC",
           "paper worst case      42.70 %  +-1.56  pgd average, the least of 9 forms",
           "worst adaptive        26.00 %  +-1.39  apgd-ce soft-routed",
           "union                 23.70 %  +-1.34  right in all of 20 rows within linf 8/255",
           "main exit forced      83.70 %  +-1.17  clean; 23.60 % under the attack that hurts it most",
           "cost under slowdown  110.12 %  slowdown hinge; efficacy 0.137, clean 0.363",
       })
    EXPECT_TRUE(has(lines, line)) << line;
}

TEST(EvaluationTable, RowsOfAFamilyStandTogetherHoweverTheyWereRun) {
  Evaluation evaluation = test::multiExitSample();
  std::rotate(evaluation.rows.begin() + 1, evaluation.rows.begin() + 10, evaluation.rows.end());
  const std::string table = toTable(evaluation);
  EXPECT_LT(table.find("  pgd max-average"), table.find("simple: "));
  EXPECT_LT(table.find("simple: "), table.find("  wrm average *"));
  EXPECT_LT(table.find("  wrm average *"), table.find("adaptive: "));
}

TEST(EvaluationTable, SevenExitsAndThirtyRowsFitAndANarrowTerminalGetsTwoTables) {
  Evaluation evaluation = test::multiExitSample();
  while (evaluation.rows.size() < 30) {
    evaluation.rows.push_back(evaluation.rows.back());
    evaluation.rows.back().name += "+";
  }
  evaluation.costs[2].exit = "a_rather_long_name_of_an_exit";
  const auto wide = linesOf(toTable(evaluation, 160)), narrow = linesOf(toTable(evaluation, 100));
  const auto isWiderThan = [](size_t width) {
    return [width](const std::string& line) { return line.size() > width; };
  };
  EXPECT_TRUE(std::none_of(wide.begin(), wide.end(), isWiderThan(160)));
  EXPECT_TRUE(std::any_of(wide.begin(), wide.end(), isWiderThan(100)));
  EXPECT_GT(narrow.size(), wide.size() + 30);
  const auto tables = std::find_if(narrow.begin(), narrow.end(), [](const auto& l) { return l[0] == '*'; });
  EXPECT_TRUE(std::none_of(narrow.begin() + 2, tables, isWiderThan(100)));
  EXPECT_EQ(std::count_if(narrow.begin(), narrow.end(),
                          [](const auto& l) { return l.rfind("  pgd routed ", 0) == 0; }),
            2);
}

TEST(EvaluationTable, ASingleExitModelHasNoColumnsOfExits) {
  const std::string table = toTable(test::singleExitSample());
  const auto lines = linesOf(table);
  EXPECT_EQ(table.find("leaving"), std::string::npos);
  EXPECT_EQ(table.find("forced"), std::string::npos);
  EXPECT_EQ(table.find("slowdown"), std::string::npos);
  EXPECT_TRUE(has(lines, "  apgd-ce main  | 26.30 | 100.0  100.0")) << table;
  EXPECT_TRUE(has(lines, "paper worst case  42.30 %  +-1.56  pgd main, the least of 1 form"));
}

TEST(EvaluationTable, CleanImagesAloneAreFine) {
  Evaluation evaluation = test::multiExitSample();
  evaluation.rows.resize(1);
  const std::string table = toTable(evaluation);
  EXPECT_EQ(table.find("union"), std::string::npos) << table;
  EXPECT_EQ(table.find("worst"), std::string::npos) << table;
  EXPECT_NE(table.find("main exit forced  83.70 %"), std::string::npos) << table;
}

TEST(EvaluationTable, WhatNobodyKnowsIsADash) {
  Evaluation evaluation = test::multiExitSample();
  evaluation.rows[1].outcome.accuracyForced[0] = NAN;
  EXPECT_NE(toTable(evaluation).find("|     -   58.0 "), std::string::npos) << toTable(evaluation);
}

TEST(Radius, IsNamedInStepsOfAPixelWhereThatIsExact) {
  EXPECT_EQ(nameOf(Radius{"linf", 8.0 / 255}), "linf 8/255");
  EXPECT_EQ(nameOf(Radius{"linf", 0.03137}), "linf 8/255");
  EXPECT_EQ(nameOf(Radius{"linf", 0.3}), "linf 0.3");
  EXPECT_EQ(nameOf(Radius{"l2", 0.5}), "l2 0.5");
}

}  // namespace
}  // namespace rdi::train
