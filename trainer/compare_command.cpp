// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/compare_command.hpp"

#include <cstdio>

#include "graph/model_io.hpp"
#include "trainer/comparison.hpp"
#include "trainer/evaluation_json.hpp"
#include "trainer/report_command.hpp"
#include "trainer/subject.hpp"

namespace rdi::train {

void declareCompare(CLI::App& app, CompareArguments& arguments) {
  app.add_option("FILES", arguments.files, "Results that rdi-evaluate --json wrote, one a model")
      ->required()
      ->expected(2, 64);
  app.add_option("-o,--output", arguments.output, "Write a page with table and plots to this file");
  app.add_flag("--anyway", arguments.anyway, "Mark files that are not comparable instead of refusing them");
}

int compare(const CompareArguments& a) {
  std::vector<Compared> models;
  for (const std::string& file : a.files) models.push_back({file, loadEvaluation(file)});
  if (!a.anyway) checkComparable(models);
  checkWritable(a.output);
  std::printf("%s", comparisonTable(models).c_str());
  if (!a.output.empty()) writePage(comparisonPage(models), a.output);
  return 0;
}

}  // namespace rdi::train
