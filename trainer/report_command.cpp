// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/report_command.hpp"

#include <cstdio>

#include "graph/model_io.hpp"
#include "trainer/command_line.hpp"
#include "trainer/evaluation_json.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/subject.hpp"

namespace rdi::train {

void declareReport(CLI::App& app, ReportArguments& arguments) {
  app.add_option("FILE", arguments.file, "Results that rdi-evaluate --json wrote")->required();
  CLI::Option* output = app.add_option("-o,--output", arguments.output, "Write the page to this file");
  app.add_option("--baseline", arguments.baseline,
                 "Results of another model on the same images, for the plot of accuracy against cost")
      ->needs(output);
}

int report(const ReportArguments& a) {
  const Evaluation evaluation = loadEvaluation(a.file);
  ReportOptions options;
  if (!a.baseline.empty()) options.baseline = loadEvaluation(a.baseline);
  checkWritable(a.output);
  std::printf("%s", toTable(evaluation, terminalWidth()).c_str());
  if (!a.output.empty()) writePage(htmlReport(evaluation, options), a.output);
  return 0;
}

void writePage(const HtmlReport& page, const std::string& path) {
  graph::writeFileAtomically(path, page.page);
  if (!page.missing.empty())
    std::fprintf(stderr, "rdi-evaluate: %s has no plots: %s\n", path.c_str(), page.missing.c_str());
}

}  // namespace rdi::train
