// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "graph/cost.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "trainer/command_line.hpp"
#include "trainer/data.hpp"
#include "trainer/evaluator.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/progress_line.hpp"
#include "trainer/report.hpp"
#include "trainer/thresholds.hpp"

namespace {

using rdi::Error;
using rdi::text;
using namespace rdi::train;
namespace graph = rdi::graph;

constexpr int64_t kUsualHeldOut = 5000;

struct Arguments {
  std::string model, data;
  std::string attack, attackLoss;
  AttackOptions attackOptions;
  EvaluatorOptions evaluator;
  std::string json;
  // Evaluation
  std::vector<float> thresholds;
  bool write = false;
  // Calibration
  std::string policy = "equal-shares", output, criterion, fusion;
  double maxDrop = 0.2;  // points
  int patience = 0;      // 0 = as the model says
  int64_t heldOut = 0;   // 0 = as the model's recipe says
};

void declareCommon(CLI::App& app, Arguments& a) {
  app.add_option("MODEL", a.model, "Multi-exit ONNX file");
  app.add_option("--data", a.data, "mnist:FOLDER or fashion-mnist[:FOLDER]");
  app.add_option("--attack", a.attack, "none, pgd or fgsm (one step as long as the radius)")
      ->check(CLI::IsMember({"none", "pgd", "fgsm"}));
  app.add_option(
      "--attack-loss", a.attackLoss,
      "Whose loss the attack climbs: average (default), single:K, main, own, max-average, or all: each "
      "single one and the average");
  addAttackOptions(app, a.attackOptions, "--steps");
  app.add_option("--limit", a.evaluator.limit, "Look at so many images only; 0 = all")->capture_default_str();
  app.add_option("--batch-size", a.evaluator.batchSize, "Images at a time")->capture_default_str();
  app.add_option("--seed", a.evaluator.seed, "Seed of the attacks' random starts")->capture_default_str();
  app.add_option("--threads", a.evaluator.threads, "CPU threads; 0 = all cores")->capture_default_str();
  app.add_option("--device", a.evaluator.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--json", a.json, "Write the results to this file too");
}

void checkUsage(Arguments& a) {
  if (a.model.empty()) throw CLI::RequiredError("MODEL");
  if (a.data.empty()) throw CLI::RequiredError("--data");
  // Whoever says which loss an attack climbs wants to attack.
  if (a.attack.empty()) a.attack = a.attackLoss.empty() ? "none" : "pgd";
  if (a.attackLoss.empty()) a.attackLoss = "average";
  // The file would hold results beside a rule that they were not measured with.
  if (a.write && !a.thresholds.empty())
    throw CLI::ValidationError("--write", "is for the thresholds in the file; leave out --thresholds");
}

// Before hours of work, not after them: a file is saved as a temporary one beside it that is renamed.
void checkWritable(const std::string& path) {
  if (path.empty()) return;
  if (std::filesystem::is_directory(path))
    throw Error(text(path, ": found a folder, expected a file to write"));
  const std::string probe = text(path, ".tmp.", getpid());
  const bool isOpen = std::ofstream(probe).is_open();
  if (!isOpen) throw Error(text(path, ": cannot be written; give a file in a writable folder"));
  std::filesystem::remove(probe);
}

// The model, its data and its rule; the rule always speaks of logits, as Evaluator gives them.
struct Subject {
  onnx::ModelProto model;
  graph::Metadata metadata;
  DataSource source;
  std::vector<graph::ExitCost> costs;
  graph::ExitRule rule;
  graph::Scores scoresInFile = graph::Scores::logits;

  size_t exitCount() const { return costs.size(); }
};

Subject load(const Arguments& a) {
  Subject subject;
  subject.source = dataSource(a.data);
  namingTheModel(a.model, [&] {
    subject.model = graph::loadModel(a.model);
    refuseEarlyExit(subject.model, a.model);
    subject.metadata = graph::readMetadata(subject.model);
    subject.costs = graph::exitCosts(subject.model);
    if (subject.metadata.rule) subject.rule = *subject.metadata.rule;
    if (givesProbabilities(subject.model)) subject.scoresInFile = graph::Scores::probabilities;
  });
  subject.rule.scores = graph::Scores::logits;
  return subject;
}

std::vector<AttackForm> attackForms(const Arguments& a, size_t exitCount) {
  std::vector<AttackForm> forms;
  if (a.attack == "none") return forms;
  if (a.attackLoss != "all") return {attackFormFromName(a.attackLoss, exitCount)};
  for (size_t k = 0; k < exitCount; ++k) forms.push_back({AttackForm::Kind::single, k});
  if (exitCount > 1) forms.push_back({AttackForm::Kind::average, 0});
  return forms;
}

AttackOptions attackOptions(const Arguments& a) {
  AttackOptions options = a.attackOptions;
  if (a.attack == "fgsm") {
    options.steps = 1;
    options.stepSize = options.epsilon;
  }
  return options;
}

// Scores of the clean images, then of each attack; the progress line counts all of them.
std::vector<ScoreTable> collect(const Arguments& a, const Subject& subject, const ImageSet& images,
                                const std::vector<AttackForm>& forms) {
  EvaluatorOptions options = a.evaluator;
  options.modelName = a.model;
  Evaluator evaluator(subject.model, images, options);
  ProgressLine line;
  std::vector<ScoreTable> tables = {evaluator.scores({}, attackOptions(a))};
  // Clean scores are cheap: the time left is reckoned from the attacks alone.
  const auto start = std::chrono::steady_clock::now();
  const int64_t total = evaluator.imageCount() * static_cast<int64_t>(forms.size());
  for (size_t f = 0; f < forms.size(); ++f) {
    const int64_t before = evaluator.imageCount() * static_cast<int64_t>(f);
    tables.push_back(evaluator.scores(forms[f], attackOptions(a), [&](int64_t done) {
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      const double rate = static_cast<double>(before + done) / seconds;
      char speed[32];
      std::snprintf(speed, sizeof speed, "%.0f", rate);
      line.show(text("attack ", f + 1, "/", forms.size(), " (", forms[f].name(subject.exitCount()), ")  ",
                     done, "/", evaluator.imageCount(), " images  ", speed, " images/s  ",
                     clockTime(static_cast<double>(total - before - done) / rate), " left"));
    }));
  }
  line.finish();
  return tables;
}

Report makeReport(const Subject& subject, const graph::ExitRule& rule, const std::vector<ScoreTable>& tables,
                  const std::vector<AttackForm>& forms) {
  Report report;
  report.costs = subject.costs;
  for (size_t t = 0; t < tables.size(); ++t)
    report.rows.push_back(
        {t == 0 ? "clean" : forms[t - 1].name(subject.exitCount()), applyRule(tables[t], rule)});
  return report;
}

std::string describe(const graph::ExitRule& rule) {
  std::string thresholds;
  for (float threshold : rule.thresholds) thresholds += text(thresholds.empty() ? "" : ", ", threshold);
  return text("leaves when ", graph::nameOf(rule.criterion), " is below ", thresholds, "; fusion ",
              graph::nameOf(rule.fusion), ", patience ", rule.patience);
}

std::string describeAttack(const Arguments& a) {
  const AttackOptions options = attackOptions(a);
  return text(a.attack, " in l-infinity, epsilon ", options.epsilon, ", step ", options.stepSize, ", ",
              options.steps, " steps, ", options.randomStart ? "random" : "no random", " start, ",
              options.restarts, " run(s)");
}

void print(const Arguments& a, const Subject& subject, const graph::ExitRule& rule, const Report& report,
           const char* set) {
  const size_t images = report.rows[0].outcome.right.size();
  std::printf("%s: %zu %s images of %s\n", a.model.c_str(), images, set, subject.source.name.c_str());
  std::printf("%s\n", describe(rule).c_str());
  if (report.rows.size() > 1) std::printf("%s\n", describeAttack(a).c_str());
  std::printf("%s", toTable(report).c_str());
}

nlohmann::json resultJson(const Arguments& a, const Subject& subject, const graph::ExitRule& rule,
                          const Report& report, const char* set) {
  nlohmann::json json = toJson(report);
  json["data"] = subject.source.name;
  json["set"] = set;
  json["image_count"] = report.rows[0].outcome.right.size();
  nlohmann::json thresholds = nlohmann::json::array();
  for (float threshold : rule.thresholds) thresholds.push_back(text(threshold));
  json["thresholds"] = thresholds;
  json["criterion"] = graph::nameOf(rule.criterion);
  json["fusion"] = graph::nameOf(rule.fusion);
  json["patience"] = rule.patience;
  if (report.rows.size() > 1) json["attack"] = describeAttack(a);
  return json;
}

int evaluate(const Arguments& a) {
  Subject subject = load(a);
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

// Images that were not trained on: as many as the recipe in the file says were held out.
int64_t heldOutCount(const Arguments& a, const Subject& subject) {
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

int calibrate(const Arguments& a) {
  Subject subject = load(a);
  if (subject.exitCount() < 2) throw Error(text(a.model, ": has one exit only, there is nothing to choose"));
  if (!(a.maxDrop >= 0 && a.maxDrop <= 100))
    throw Error(text("--max-drop: found ", a.maxDrop, ", expected 0 to 100 points"));
  if (a.patience < 0) throw Error(text("--patience: found ", a.patience, ", expected 1 or more"));
  graph::ExitRule rule = subject.rule;
  if (!a.criterion.empty()) rule.criterion = graph::criterionFromName(a.criterion);
  if (!a.fusion.empty()) rule.fusion = graph::fusionFromName(a.fusion);
  if (a.patience > 0) rule.patience = a.patience;
  const std::vector<AttackForm> forms = attackForms(a, subject.exitCount());
  const std::string output = a.output.empty() ? a.model : a.output;
  checkWritable(a.json);
  checkWritable(output);
  const ImageSet all = subject.source.load(Split::train);
  namingTheModel(a.model, [&] { checkModelFitsData(subject.model, all, subject.source); });
  const ImageSet images = heldOutPart(all, heldOutCount(a, subject));

  const std::vector<ScoreTable> tables = collect(a, subject, images, forms);
  rule.thresholds = a.policy == "equal-shares" ? equalShares(tables[0], rule)
                                               : leastCost(tables[0], {tables.begin() + 1, tables.end()},
                                                           rule, subject.costs, a.maxDrop / 100);
  const Report report = makeReport(subject, rule, tables, forms);
  print(a, subject, rule, report, "held-out");
  if (!a.json.empty())
    graph::writeFileAtomically(a.json, resultJson(a, subject, rule, report, "held-out").dump(2) + "\n");
  graph::eraseResults(subject.model);  // measured with the old rule
  graph::Metadata metadata;
  metadata.rule = rule;
  metadata.rule->scores = subject.scoresInFile;
  graph::writeMetadata(subject.model, metadata);
  graph::saveModel(subject.model, output);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Accuracy, exits and cost of a multi-exit model, clean and attacked.", "rdi-evaluate");
  Arguments arguments;
  declareCommon(app, arguments);
  app.add_option("--thresholds", arguments.thresholds,
                 "Instead of those in the file, e.g. 0.02,0.01; inf, -inf")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_flag("--write", arguments.write, "Write the results into the model's metadata");

  CLI::App* choose = app.add_subcommand(
      "calibrate", "Chooses thresholds on held-out training images and writes them into the model");
  declareCommon(*choose, arguments);
  choose->add_option("--policy", arguments.policy, "equal-shares, or cost: the least that keeps the accuracy")
      ->check(CLI::IsMember({"equal-shares", "cost"}))
      ->capture_default_str();
  choose
      ->add_option("--max-drop", arguments.maxDrop,
                   "cost: points of accuracy that may be lost (mean of clean and, "
                   "with --attack, attacked)")
      ->capture_default_str();
  choose->add_option("--criterion", arguments.criterion, "entropy, max_probability or margin");
  choose->add_option("--fusion", arguments.fusion, "last or mean");
  choose->add_option("--patience", arguments.patience, "Exits in a row that must agree on the class");
  choose->add_option("--held-out", arguments.heldOut, "Last images of the training set to use");
  choose->add_option("-o,--output", arguments.output, "Write the model here instead of in place");

  app.callback([&] { checkUsage(arguments); });
  return runProgram(app, "rdi-evaluate", argc, argv,
                    [&] { return choose->parsed() ? calibrate(arguments) : evaluate(arguments); });
}
