// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibrate_command.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "trainer/calibration_report.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/train_options.hpp"

namespace rdi::train {
namespace {

constexpr int64_t kUsualHeldOut = 5000;
constexpr double kUsualCheckShare = 50;
constexpr uint64_t kCheckDraw =
    0x5eed;  // keeps the draw of the checking images apart from other uses of a seed

// Images that were not trained on: those that the recipe in the file says were held out.
HeldOut heldOutImages(const CalibrateArguments& a, const Subject& subject) {
  const std::optional<HeldOut> recorded = heldOutOf(subject.metadata.recipe, subject.source.name);
  if (!recorded) {
    std::fprintf(
        stderr,
        "rdi-evaluate: %s does not say which images it was trained on; a rule chosen on images it knows is "
        "too trusting\n",
        a.model.c_str());
    return {a.heldOut > 0 ? a.heldOut : kUsualHeldOut, 0};
  }
  if (recorded->count < 1)
    throw Error(text(a.model, ": was trained on all images, none is left to choose a rule on"));
  const HeldOut asked{a.heldOut > 0 ? a.heldOut : recorded->count, recorded->seed};
  checkStillHeldOut(asked, *recorded, a.model);
  return asked;
}

template <typename Value, typename FromName>
std::vector<Value> valuesOf(const std::vector<std::string>& names, Value inModel,
                            const std::vector<Value>& all, const FromName& fromName) {
  if (names.empty()) return {inModel};
  if (names == std::vector<std::string>{"any"}) return all;
  std::vector<Value> values;
  for (const std::string& name : names) values.push_back(fromName(name));
  return values;
}

int patienceFromName(const std::string& name) {
  int value = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), value);
  if (failure != std::errc() || end != name.data() + name.size() || value < 1)
    throw Error(text("--patience: found ", name, ", expected any, or numbers from 1"));
  return value;
}

std::vector<graph::ExitRule> rulesOf(const CalibrateArguments& a, const Subject& subject) {
  std::vector<int> patiences;
  for (int patience = 1; patience < static_cast<int>(subject.exitCount()); ++patience)
    patiences.push_back(patience);
  return rulesToTry(
      valuesOf(a.criteria, subject.rule.criterion,
               {graph::Criterion::entropy, graph::Criterion::maxProbability, graph::Criterion::margin},
               graph::criterionFromName),
      valuesOf(a.fusions, subject.rule.fusion, {graph::Fusion::last, graph::Fusion::mean},
               graph::fusionFromName),
      valuesOf(a.patiences, subject.rule.patience, patiences, patienceFromName));
}

Demand demandOf(const CalibrateArguments& a) {
  Demand demand;
  demand.policy = policyFromName(a.policy);
  if (a.maxDrop) demand.maxDrop = *a.maxDrop / 100;
  if (a.maxCost) demand.maxCost = *a.maxCost / 100;
  if (a.maxRisk) demand.maxRisk = *a.maxRisk / 100;
  if (a.confidence) demand.confidence = *a.confidence / 100;
  return demand;
}

// Where the images lie that choose, and those that only check.
struct Parts {
  std::vector<int64_t> choosing, checking;
};

Parts partsOf(int64_t count, double checkShare, uint64_t seed) {
  std::vector<int64_t> order = drawnOrder(count, seed ^ kCheckDraw);
  const auto checked = static_cast<int64_t>(std::llround(static_cast<double>(count) * checkShare / 100));
  Parts parts{{order.begin() + checked, order.end()}, {order.begin(), order.begin() + checked}};
  std::sort(parts.choosing.begin(), parts.choosing.end());
  std::sort(parts.checking.begin(), parts.checking.end());
  if (parts.choosing.empty())
    throw Error(
        text("--check-share: found ", checkShare, " % of ", count, " images, none is left to choose on"));
  return parts;
}

std::vector<ScoreTable> select(const std::vector<ScoreTable>& tables, const std::vector<int64_t>& places) {
  std::vector<ScoreTable> result;
  for (const ScoreTable& table : tables) result.push_back(table.select(places));
  return result;
}

CalibrationTables asTables(std::vector<ScoreTable> cleanThenAttacked) {
  CalibrationTables tables;
  tables.clean = std::move(cleanThenAttacked.front());
  cleanThenAttacked.erase(cleanThenAttacked.begin());
  tables.attacked = std::move(cleanThenAttacked);
  return tables;
}

}  // namespace

void declareCalibrate(CLI::App& app, CalibrateArguments& arguments) {
  declareRequest(app, arguments);
  app.add_option(
         "--policy", arguments.policy,
         "equal-shares; cost: the least that keeps the accuracy; accuracy: the best within --max-cost; "
         "robust: the best under attack within --max-cost; risk: the least cost with a proof that losses "
         "are rare")
      ->check(CLI::IsMember({"equal-shares", "cost", "accuracy", "robust", "risk"}))
      ->capture_default_str();
  app.add_option("--max-drop", arguments.maxDrop,
                 "cost: points of accuracy that may be lost against the static net (mean of clean and, with "
                 "--attack, attacked; 0.2)");
  app.add_option("--max-cost", arguments.maxCost,
                 "accuracy, robust: average paid cost in % of the static net");
  app.add_option("--max-risk", arguments.maxRisk,
                 "risk: % of images that the static net gets right and the rule wrong (1)");
  app.add_option("--confidence", arguments.confidence, "risk: % confidence that it is no more (95)");
  app.add_option("--rounds", arguments.rounds, "Rules to attack when the attack follows the rule (6)");
  const auto list = [&](const char* name, std::vector<std::string>& values, const char* help) {
    app.add_option(name, values, help)->delimiter(',')->allow_extra_args(false);
  };
  list("--criterion", arguments.criteria, "entropy, max_probability, margin: one, several (a,b) or any");
  list("--fusion", arguments.fusions, "last, mean, or any");
  list("--patience", arguments.patiences, "Exits in a row that must agree on the class: 1, several or any");
  app.add_option("--held-out", arguments.heldOut, "Use only so many of the held-out training images");
  app.add_option("--check-share", arguments.checkShare,
                 "% of them that only measure what the others chose (50 for risk and where several rules are "
                 "tried, else 0)");
  app.add_option("-o,--output", arguments.output, "Write the model here instead of in place");
}

void checkCalibrate(CalibrateArguments& a) {
  checkRequest(a);
  const auto belongs = [&](bool isGiven, const char* option, std::initializer_list<const char*> policies) {
    std::string known;
    for (const char* policy : policies) known += (known.empty() ? "" : " or ") + std::string(policy);
    if (isGiven && std::find(policies.begin(), policies.end(), a.policy) == policies.end())
      throw CLI::ValidationError(option, "is for --policy " + known + ", found --policy " + a.policy);
  };
  belongs(a.maxDrop.has_value(), "--max-drop", {"cost"});
  belongs(a.maxCost.has_value(), "--max-cost", {"accuracy", "robust"});
  belongs(a.maxRisk.has_value(), "--max-risk", {"risk"});
  belongs(a.confidence.has_value(), "--confidence", {"risk"});
  if ((a.policy == "accuracy" || a.policy == "robust") && !a.maxCost) throw CLI::RequiredError("--max-cost");
  if (a.policy == "robust" && a.attack == "none")
    throw CLI::ValidationError("--policy", "robust wants to know which attack; give --attack");
  if (a.policy == "risk" && a.checkShare && *a.checkShare == 0)
    throw CLI::ValidationError("--check-share",
                               "found 0, but the proof of --policy risk is made on that share");
}

int calibrate(const CalibrateArguments& a) {
  Subject subject = loadSubject(a.model, a.data);
  const Demand demand = demandOf(a);
  namingTheModel(a.model, [&] { checkDemand(demand, subject.costs); });
  const std::vector<graph::ExitRule> rules = rulesOf(a, subject);
  const double checkShare =
      a.checkShare.value_or(demand.policy == Policy::risk || rules.size() > 1 ? kUsualCheckShare : 0);
  if (!(checkShare >= 0 && checkShare < 100))
    throw Error(text("--check-share: found ", checkShare, ", expected a percentage from 0 to below 100"));
  if (a.heldOut < 0) throw Error(text("--held-out: found ", a.heldOut, ", expected 1 or more images"));
  const std::vector<AttackForm> forms = attackForms(a, subject.exitCount());
  const std::string output = a.output.empty() ? a.model : a.output;
  checkWritable(a.json);
  checkWritable(output);
  const ImageSet all = subject.source.load(Split::train);
  namingTheModel(a.model, [&] { checkModelFitsData(subject.model, all, subject.source); });
  const HeldOut heldOut = heldOutImages(a, subject);
  const ImageSet images = heldOutPart(all, heldOut.count, heldOut.seed);
  const int64_t limit = a.evaluator.limit > 0 ? std::min(a.evaluator.limit, images.count) : images.count;
  const Parts parts = partsOf(limit, checkShare, a.evaluator.seed);
  if (demand.policy == Policy::risk) checkEnoughToProve(demand, static_cast<int64_t>(parts.checking.size()));

  const std::vector<ScoreTable> scores = collect(a, subject, images, forms);
  const CalibrationTables choosing = asTables(select(scores, parts.choosing));
  const CalibrationTables checking =
      parts.checking.empty() ? CalibrationTables{} : asTables(select(scores, parts.checking));
  Calibration calibration;
  calibration.demand = demand;
  calibration.costs = subject.costs;
  calibration.isAttacked = !forms.empty();
  if (demand.policy == Policy::risk) {
    calibration.proof = chooseWithProof(demand, rules, choosing.clean, checking.clean, subject.costs);
    calibration.choice = calibration.proof->choice;
  } else {
    calibration.choice = chooseRule(demand, rules, choosing, subject.costs, staticNet(choosing));
  }
  calibration.choosing = viewOf(calibration.choice, choosing, subject.costs);
  if (!parts.checking.empty()) calibration.checking = viewOf(calibration.choice, checking, subject.costs);

  const graph::ExitRule& rule = calibration.choice.rule;
  const Report report =
      makeReport(subject, rule, parts.checking.empty() ? scores : select(scores, parts.checking), forms);
  print(a, subject, rule, report, "held-out");
  std::printf("%s", toTable(calibration).c_str());
  if (!a.json.empty()) {
    nlohmann::json json = resultJson(a, subject, rule, report, "held-out");
    json["calibration"] = toJson(calibration);
    graph::writeFileAtomically(a.json, json.dump(2) + "\n");
  }
  graph::eraseResults(subject.model);  // measured with the old rule
  graph::Metadata metadata;
  metadata.rule = rule;
  metadata.rule->scores = subject.scoresInFile;
  metadata.calibration = toMetadata(calibration);
  graph::writeMetadata(subject.model, metadata);
  graph::saveModel(subject.model, output);
  return 0;
}

}  // namespace rdi::train
