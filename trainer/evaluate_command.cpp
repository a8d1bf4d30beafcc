// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluate_command.hpp"

#include <cstdio>
#include <limits>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "trainer/model_fit.hpp"

namespace rdi::train {

void declareEvaluate(CLI::App& app, EvaluateArguments& arguments) {
  declareRequest(app, arguments);
  app.add_option("--thresholds", arguments.thresholds,
                 "Instead of those in the file, e.g. 0.02,0.01; inf, -inf")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_flag("--write", arguments.write, "Write the results into the model's metadata");
}

void checkEvaluate(EvaluateArguments& arguments) {
  checkRequest(arguments);
  // The file would hold results beside a rule that they were not measured with.
  if (arguments.write && !arguments.thresholds.empty())
    throw CLI::ValidationError("--write", "is for the thresholds in the file; leave out --thresholds");
}

int evaluate(const EvaluateArguments& a) {
  Subject subject = loadSubject(a.model, a.data);
  graph::ExitRule rule = subject.rule;
  if (!a.thresholds.empty()) rule.thresholds = a.thresholds;
  if (rule.thresholds.empty()) {
    rule.thresholds.assign(subject.exitCount() - 1, -std::numeric_limits<float>::infinity());
    if (subject.exitCount() > 1)
      std::fprintf(
          stderr,
          "rdi-evaluate: %s holds no thresholds, so all images go to the main exit; choose some with "
          "rdi-evaluate calibrate\n",
          a.model.c_str());
  }
  namingTheModel(a.model, [&] { graph::checkRule(rule, subject.exitCount()); });
  const std::vector<AttackForm> forms = attackForms(a, subject.exitCount());
  checkWritable(a.json);
  if (a.write) checkWritable(a.model);
  const ImageSet images = subject.source.load(Split::test);
  namingTheModel(a.model, [&] { checkModelFitsData(subject.model, images, subject.source); });

  const Report report = makeReport(subject, rule, collect(a, subject, images, forms), forms);
  print(a, subject, rule, report, "test");
  const nlohmann::json result = resultJson(a, subject, rule, report, "test");
  if (!a.json.empty()) graph::writeFileAtomically(a.json, result.dump(2) + "\n");
  if (a.write) {
    graph::Metadata metadata;
    metadata.results = result;
    graph::writeMetadata(subject.model, metadata);
    graph::saveModel(subject.model, a.model);
  }
  return 0;
}

}  // namespace rdi::train
