// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluate_command.hpp"

#include <cstdio>
#include <limits>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "trainer/command_line.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/report.hpp"

namespace rdi::train {

void declareEvaluate(CLI::App& app, EvaluateArguments& arguments) {
  declareRequest(app, arguments);
  app.add_option("--thresholds", arguments.thresholds,
                 "Instead of those in the file, e.g. 0.02,0.01; inf, -inf")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--exit", arguments.exit,
                 "Everybody leaves by this exit, e.g. main: the static net as baseline");
  app.add_option(
      "-o,--output", arguments.output,
      "Folder for the report and for results of each batch: an interrupted run goes on from there");
  app.add_flag("--save-inputs", arguments.evaluator.saveInputs,
               "Save the attacked images in the output folder, for rdi-evaluate deployed");
  app.add_flag("--write", arguments.write, "Write the results into the model's metadata");
}

void checkEvaluate(EvaluateArguments& arguments) {
  checkRequest(arguments);
  // The file would hold results beside a rule that they were not measured with.
  if (arguments.write && (!arguments.thresholds.empty() || !arguments.exit.empty()))
    throw CLI::ValidationError("--write",
                               "is for the thresholds in the file; leave out --thresholds and --exit");
  if (!arguments.exit.empty() && !arguments.thresholds.empty())
    throw CLI::ValidationError("--exit", "is a choice of thresholds; leave out --thresholds");
  if (arguments.evaluator.saveInputs && arguments.output.empty())
    throw CLI::ValidationError("--save-inputs", "needs --output FOLDER");
  arguments.evaluator.folder = arguments.output;
}

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// Everybody leaves by the exit of this name.
std::vector<float> thresholdsForExit(const Subject& subject, const std::string& name) {
  std::vector<float> thresholds(subject.exitCount() - 1, kNever);
  std::string known;
  for (size_t k = 0; k < subject.exitCount(); ++k) {
    known += (k == 0 ? "" : ", ") + subject.costs[k].exit;
    if (subject.costs[k].exit != name) continue;
    if (k < thresholds.size()) thresholds[k] = -kNever;
    return thresholds;
  }
  throw Error(text("--exit: found ", name, ", expected one of ", known));
}

graph::ExitRule ruleOf(const EvaluateArguments& a, const Subject& subject) {
  graph::ExitRule rule = subject.rule;
  if (!a.thresholds.empty()) rule.thresholds = a.thresholds;
  if (!a.exit.empty()) rule.thresholds = thresholdsForExit(subject, a.exit);
  if (rule.thresholds.empty()) {
    rule.thresholds.assign(subject.exitCount() - 1, kNever);
    if (subject.exitCount() > 1)
      std::fprintf(
          stderr,
          "rdi-evaluate: %s holds no thresholds, so all images go to the main exit; choose some with "
          "rdi-evaluate calibrate\n",
          a.model.c_str());
  }
  namingTheModel(a.model, [&] { graph::checkRule(rule, subject.exitCount()); });
  return rule;
}

}  // namespace

int evaluate(const EvaluateArguments& a) {
  Subject subject = loadSubject(a.model, a.data);
  const graph::ExitRule rule = ruleOf(a, subject);
  const std::vector<Attack> attacks = attacksOf(a, subject);
  checkWritable(a.json);
  if (a.write) checkWritable(a.model);
  const ImageSet images = subject.source.load(Split::test);
  namingTheModel(a.model, [&] { checkModelFitsData(subject.model, images, subject.source); });
  EvaluatorOptions options = a.evaluator;
  options.modelName = a.model;
  Evaluator evaluator(subject.model, images, options);
  const auto scores = runAttacks(a, evaluator, attacks, rule);
  if (!scores) return kStoppedExitCode;

  const Evaluation evaluation = evaluationOf(subject, "test", options.seed, rule, images, attacks, *scores);
  std::printf("%s: %lld test images of %s\n%s\n%s", a.model.c_str(),
              static_cast<long long>(evaluation.imageCount), subject.source.name.c_str(),
              describe(rule).c_str(), toTable(evaluation).c_str());
  const nlohmann::json result = toJson(evaluation);
  if (!a.json.empty()) graph::writeFileAtomically(a.json, result.dump(2) + "\n");
  if (!a.output.empty()) graph::writeFileAtomically(a.output + "/results.json", result.dump(2) + "\n");
  if (a.write) {
    graph::Metadata metadata;
    metadata.results = result;
    graph::writeMetadata(subject.model, metadata);
    graph::saveModel(subject.model, a.model);
  }
  return 0;
}

}  // namespace rdi::train
