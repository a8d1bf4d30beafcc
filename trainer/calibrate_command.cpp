// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibrate_command.hpp"

#include <cstdio>
#include <limits>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "trainer/command_line.hpp"
#include "trainer/evaluation_json.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/thresholds.hpp"

namespace rdi::train {
namespace {

constexpr int64_t kUsualHeldOut = 5000;

// Images that were not trained on: as many as the recipe in the file says were held out.
int64_t heldOutCount(const CalibrateArguments& a, const Subject& subject) {
  const nlohmann::json& recipe = subject.metadata.recipe;
  const bool isKnown = recipe.is_object() && recipe.contains("held_out") &&
                       recipe["held_out"].is_number_integer() &&
                       recipe.value("data", subject.source.name) == subject.source.name;
  if (!isKnown) {
    std::fprintf(
        stderr,
        "rdi-evaluate: %s does not say which images it was trained on; thresholds chosen on images it "
        "knows are too trusting\n",
        a.model.c_str());
    return a.heldOut > 0 ? a.heldOut : kUsualHeldOut;
  }
  const auto recorded = recipe["held_out"].get<int64_t>();
  if (recorded < 1)
    throw Error(text(a.model, ": was trained on all images, none is left to choose thresholds on"));
  if (a.heldOut > recorded)
    throw Error(text("--held-out: found ", a.heldOut, ", expected at most ", recorded,
                     ": the model was trained on the others"));
  return a.heldOut > 0 ? a.heldOut : recorded;
}

}  // namespace

void declareCalibrate(CLI::App& app, CalibrateArguments& arguments) {
  declareRequest(app, arguments);
  app.add_option("--policy", arguments.policy, "equal-shares, or cost: the least that keeps the accuracy")
      ->check(CLI::IsMember({"equal-shares", "cost"}))
      ->capture_default_str();
  app.add_option("--max-drop", arguments.maxDrop,
                 "cost: points of accuracy that may be lost (mean of clean and, "
                 "with --attack, attacked)")
      ->capture_default_str();
  app.add_option("--criterion", arguments.criterion, "entropy, max_probability or margin");
  app.add_option("--fusion", arguments.fusion, "last or mean");
  app.add_option("--patience", arguments.patience, "Exits in a row that must agree on the class");
  app.add_option("--held-out", arguments.heldOut, "Last images of the training set to use");
  app.add_option("-o,--output", arguments.output, "Write the model here instead of in place");
}

int calibrate(const CalibrateArguments& a) {
  Subject subject = loadSubject(a.model, a.data);
  if (subject.exitCount() < 2) throw Error(text(a.model, ": has one exit only, there is nothing to choose"));
  if (!(a.maxDrop >= 0 && a.maxDrop <= 100))
    throw Error(text("--max-drop: found ", a.maxDrop, ", expected 0 to 100 points"));
  if (a.patience < 0) throw Error(text("--patience: found ", a.patience, ", expected 1 or more"));
  graph::ExitRule rule = subject.rule;
  if (!a.criterion.empty()) rule.criterion = graph::criterionFromName(a.criterion);
  if (!a.fusion.empty()) rule.fusion = graph::fusionFromName(a.fusion);
  if (a.patience > 0) rule.patience = a.patience;
  const std::vector<Attack> attacks = attacksOf(a, subject);
  const std::string output = a.output.empty() ? a.model : a.output;
  checkWritable(a.json);
  checkWritable(output);
  const ImageSet images = heldOutPart(loadImages(subject, Split::train), heldOutCount(a, subject));

  EvaluatorOptions options = a.evaluator;
  options.modelName = a.model;
  Evaluator evaluator(subject.model, images, options);
  graph::ExitRule known = rule;
  if (known.thresholds.empty())
    known.thresholds.assign(subject.exitCount() - 1, -std::numeric_limits<float>::infinity());
  const auto scores = runAttacks(a, evaluator, attacks, known);
  if (!scores) return kStoppedExitCode;
  std::vector<ScoreTable> tables;
  for (const AttackedScores& row : *scores) tables.push_back(row.table);
  rule.thresholds = a.policy == "equal-shares" ? equalShares(tables[0], rule)
                                               : leastCost(tables[0], {tables.begin() + 1, tables.end()},
                                                           rule, subject.costs, a.maxDrop / 100);
  const Evaluation evaluation =
      evaluationOf(subject, "held-out", options.seed, rule, images, attacks, *scores);
  std::printf("%s", toTable(evaluation, terminalWidth()).c_str());
  if (!a.json.empty()) saveEvaluation(evaluation, a.json);
  graph::eraseResults(subject.model);  // measured with the old rule
  graph::Metadata metadata;
  metadata.rule = rule;
  metadata.rule->scores = subject.scoresInFile;
  graph::writeMetadata(subject.model, metadata);
  graph::saveModel(subject.model, output);
  return 0;
}

}  // namespace rdi::train
