// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/request.hpp"

#include <chrono>
#include <cstdio>

#include "graph/error.hpp"
#include "trainer/command_line.hpp"
#include "trainer/progress_line.hpp"

namespace rdi::train {
namespace {

AttackOptions attackOptions(const Request& a) {
  AttackOptions options = a.attackOptions;
  if (a.attack == "fgsm") {
    options.steps = 1;
    options.stepSize = options.epsilon;
  }
  return options;
}

std::string describeAttack(const Request& a) {
  const AttackOptions options = attackOptions(a);
  return text(a.attack, " in l-infinity, epsilon ", options.epsilon, ", step ", options.stepSize, ", ",
              options.steps, " steps, ", options.randomStart ? "random" : "no random", " start, ",
              options.restarts, " run(s)");
}

}  // namespace

void declareRequest(CLI::App& app, Request& a) {
  app.add_option("MODEL", a.model, "Multi-exit ONNX file");
  app.add_option("--data", a.data, knownData());
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

void checkRequest(Request& a) {
  if (a.model.empty()) throw CLI::RequiredError("MODEL");
  if (a.data.empty()) throw CLI::RequiredError("--data");
  // Whoever says which loss an attack climbs wants to attack.
  if (a.attack.empty()) a.attack = a.attackLoss.empty() ? "none" : "pgd";
  if (a.attackLoss.empty()) a.attackLoss = "average";
}

std::vector<AttackForm> attackForms(const Request& a, size_t exitCount) {
  std::vector<AttackForm> forms;
  if (a.attack == "none") return forms;
  if (a.attackLoss != "all") return {attackFormFromName(a.attackLoss, exitCount)};
  for (size_t k = 0; k < exitCount; ++k) forms.push_back({AttackForm::Kind::single, k});
  if (exitCount > 1) forms.push_back({AttackForm::Kind::average, 0});
  return forms;
}

// Scores of the clean images, then of each attack; the progress line counts all of them.
std::vector<ScoreTable> collect(const Request& a, const Subject& subject, const ImageSet& images,
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

void print(const Request& a, const Subject& subject, const graph::ExitRule& rule, const Report& report,
           const char* set) {
  const size_t images = report.rows[0].outcome.right.size();
  std::printf("%s: %zu %s images of %s\n", a.model.c_str(), images, set, subject.source.name.c_str());
  std::printf("%s\n", describe(rule).c_str());
  if (report.rows.size() > 1) std::printf("%s\n", describeAttack(a).c_str());
  std::printf("%s", toTable(report).c_str());
}

nlohmann::json resultJson(const Request& a, const Subject& subject, const graph::ExitRule& rule,
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

}  // namespace rdi::train
