// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluate_command.hpp"

#include <cstdio>
#include <limits>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "trainer/command_line.hpp"
#include "trainer/comparison.hpp"
#include "trainer/evaluation_json.hpp"
#include "trainer/evaluation_record.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/report_command.hpp"

namespace rdi::train {

void declareEvaluate(CLI::App& app, EvaluateArguments& arguments) {
  declareRequest(app, arguments);
  app.add_option("--thresholds", arguments.thresholds,
                 "Instead of those in the file, e.g. 0.02,0.01; inf, -inf")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--operating-point", arguments.operatingPoint,
                 "The rule of this name in the file, instead of the one that it answers by");
  app.add_option("--exit", arguments.exit,
                 "Everybody leaves by this exit, e.g. main: the static net as baseline");
  app.add_option(
      "-o,--output", arguments.output,
      "Folder for the report and for results of each batch: an interrupted run goes on from there");
  app.add_flag("--save-inputs", arguments.evaluator.saveInputs,
               "Save the attacked images in the output folder, for rdi-evaluate deployed");
  app.add_option("--baseline", arguments.baseline,
                 "Results (--json) of another model on the same images, for the report in the output folder");
  app.add_flag("--write", arguments.write,
               "Write the results into the model's metadata and into its card, a .md file beside it");
}

void checkEvaluate(EvaluateArguments& arguments) {
  checkRequest(arguments);
  // The file would hold results beside a rule that they were not measured with.
  const bool givesThresholds = !arguments.thresholds.empty(), givesExit = !arguments.exit.empty(),
             givesPoint = !arguments.operatingPoint.empty();
  if (arguments.write && (givesThresholds || givesExit || givesPoint))
    throw CLI::ValidationError(
        "--write",
        "is for the rule that the file answers by; leave out --thresholds, --exit and --operating-point");
  if (givesExit && givesThresholds)
    throw CLI::ValidationError("--exit", "is a choice of thresholds; leave out --thresholds");
  if (givesPoint && (givesThresholds || givesExit))
    throw CLI::ValidationError("--operating-point", "is a whole rule; leave out --thresholds and --exit");
  if (!arguments.baseline.empty() && arguments.output.empty())
    throw CLI::ValidationError("--baseline", "is shown in the report; give --output FOLDER for it");
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
  graph::ExitRule rule = pointOf(subject, a.operatingPoint);
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

// Before hours of work, not after them.
void checkBaseline(const std::string& file, const Evaluation& baseline, const Subject& subject,
                   int64_t imageCount, const std::vector<Attack>& attacks) {
  Evaluation ours;
  ours.data = subject.source.name;
  ours.set = "test";
  ours.classNames = subject.source.classNames;
  ours.imageCount = imageCount;
  for (const Attack& attack : attacks) {
    ours.rows.emplace_back();
    ours.rows.back().settings = attack.settings(subject.exitCount());
    ours.rows.back().inBall = attack.inBall;
  }
  const std::string why = whyNotComparable(ours, baseline);
  if (!why.empty())
    throw Error(text(file, ": is no baseline for this: ", why, "; evaluate both in the same way"));
}

}  // namespace

int evaluate(const EvaluateArguments& a) {
  Subject subject = loadSubject(a.model, a.data);
  const graph::ExitRule rule = ruleOf(a, subject);
  const std::vector<Attack> attacks = attacksOf(a, subject);
  checkWritable(a.json);
  if (a.write) checkWritable(a.model);
  if (a.write) checkWritable(cardOf(a.model));
  const ImageSet images = loadImages(subject, Split::test);
  EvaluatorOptions options = a.evaluator;
  options.modelName = a.model;
  Evaluator evaluator(subject.model, images, options);
  ReportOptions report;
  if (!a.baseline.empty()) {
    report.baseline = loadEvaluation(a.baseline);
    checkBaseline(a.baseline, *report.baseline, subject, evaluator.imageCount(), attacks);
  }
  const auto scores = runAttacks(a, evaluator, attacks, rule);
  if (!scores) return kStoppedExitCode;

  Evaluation evaluation = evaluationOf(subject, "test", options.seed, rule, images, attacks, *scores);
  evaluation.command = a.command;
  std::printf("%s", toTable(evaluation, terminalWidth()).c_str());
  if (!a.json.empty()) saveEvaluation(evaluation, a.json);
  if (!a.output.empty()) saveEvaluation(evaluation, a.output + "/results.json");
  if (a.write) {
    writeResults(subject.model, evaluation);
    graph::saveModel(subject.model, a.model);
    updateCard(cardOf(a.model), evaluation);
  }
  if (!a.output.empty()) writePage(htmlReport(evaluation, report), a.output + "/report.html");
  return 0;
}

}  // namespace rdi::train
