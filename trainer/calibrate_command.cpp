// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibrate_command.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "trainer/calibration_report.hpp"
#include "trainer/command_line.hpp"
#include "trainer/evaluation_json.hpp"
#include "trainer/evaluation_table.hpp"
#include "trainer/gnuplot.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/progress_line.hpp"
#include "trainer/train_options.hpp"

namespace rdi::train {
namespace {

constexpr double kUsualCheckShare = 50;
constexpr int kUsualRounds = 6;
constexpr uint64_t kCheckDraw =
    0x5eed;  // keeps the draw of the checking images apart from other uses of a seed

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

// For --policy given: those that were typed, else the model's own.
void giveThresholds(const CalibrateArguments& a, const Subject& subject,
                    std::vector<graph::ExitRule>& rules) {
  if (rules.size() != 1)
    throw Error(text("--policy given: found ", rules.size(),
                     " kinds of rules, expected one criterion, one fusion, one patience"));
  if (a.thresholds.empty() && subject.rule.thresholds.empty())
    throw Error(text(a.model, ": holds no thresholds; give some with --thresholds"));
  if (a.thresholds.empty() && rules[0].criterion != subject.rule.criterion)
    throw Error(text("--criterion: found ", graph::nameOf(rules[0].criterion),
                     ", but the model's thresholds are for ", graph::nameOf(subject.rule.criterion),
                     "; give --thresholds too"));
  rules[0].thresholds = a.thresholds.empty() ? subject.rule.thresholds : a.thresholds;
  namingTheModel(a.model, [&] { graph::checkRule(rules[0], subject.exitCount()); });
}

std::vector<graph::ExitRule> rulesOf(const CalibrateArguments& a, const Subject& subject) {
  std::vector<int> patiences;
  for (int patience = 1; patience < static_cast<int>(subject.exitCount()); ++patience)
    patiences.push_back(patience);
  std::vector<graph::ExitRule> rules = rulesToTry(
      valuesOf(a.criteria, subject.rule.criterion,
               {graph::Criterion::entropy, graph::Criterion::maxProbability, graph::Criterion::margin},
               graph::criterionFromName),
      valuesOf(a.fusions, subject.rule.fusion, {graph::Fusion::last, graph::Fusion::mean},
               graph::fusionFromName),
      valuesOf(a.patiences, subject.rule.patience, patiences, patienceFromName));
  if (a.policy == "given") giveThresholds(a, subject, rules);
  return rules;
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

// Those that stay in the ball, each against all images: what a rule is judged by.
std::vector<Attack> judgingAttacks(const CalibrateArguments& a, const Subject& subject) {
  std::vector<Attack> attacks = attacksOf(a, subject);
  const size_t asked = attacks.size();
  attacks.erase(
      std::remove_if(attacks.begin(), attacks.end(),
                     [](const Attack& attack) { return !attack.inBall || attack.form.isSlowdown(); }),
      attacks.end());
  if (asked > 0 && attacks.empty())
    throw Error(
        "--attack: found only attacks that leave the ball or slow down, expected one that a rule can be "
        "judged by, e.g. --attack pgd --attack-loss routed");
  for (Attack& attack : attacks) attack.onlySurvivors = false;
  return attacks;
}

// The policies that look at attacks before they choose.
bool choosesByAttack(Policy policy) {
  return policy == Policy::cost || policy == Policy::accuracy || policy == Policy::robust;
}

// SIGINT or SIGTERM came.
struct Stopped {};

CalibrationTables tablesOf(const std::vector<AttackedScores>& scores) {
  CalibrationTables result;
  result.clean = scores.front().table;
  for (size_t i = 1; i < scores.size(); ++i) result.attacked.push_back(scores[i].table);
  return result;
}

// Images under attacks on one rule, and the static net under attacks on it.
struct Look {
  std::vector<Attack> attacks;
  std::vector<AttackedScores> scores;  // clean, then those of the attacks
  RulePoint staticPoint;
  bool attackFollows = false;

  CalibrationTables tables() const { return tablesOf(scores); }
};

bool anyDepends(const std::vector<Attack>& attacks, const std::vector<graph::ExitRule>& rules) {
  return std::any_of(attacks.begin(), attacks.end(), [&](const Attack& attack) {
    return std::any_of(rules.begin(), rules.end(),
                       [&](const graph::ExitRule& rule) { return attack.dependsOnRule(rule.fusion); });
  });
}

// Images, and the network that looks at them.
class Viewer {
public:
  Viewer(const CalibrateArguments& arguments, const Subject& subject, ImageSet shown, std::string name)
      : images(std::move(shown)), arguments_(arguments), subject_(subject), name_(std::move(name)) {}

  // Clean and attacked, by somebody who knows the rule; `run` tells one run's folder from another's.
  std::vector<AttackedScores> run(const std::vector<Attack>& attacks, const graph::ExitRule& rule,
                                  const std::string& run) const {
    EvaluatorOptions options = arguments_.evaluator;
    options.modelName = arguments_.model;
    options.limit = 0;
    if (!options.folder.empty()) options.folder += "/" + name_ + "-" + run;
    Evaluator evaluator(subject_.model, images, options);
    auto scores = runAttacks(arguments_, evaluator, attacks, rule);
    if (!scores) throw Stopped();
    return *scores;
  }

  ScoreTable clean() const { return run({}, closed(), "clean").front().table; }

  Look look(const std::vector<Attack>& attacks, const std::vector<graph::ExitRule>& rules,
            const graph::ExitRule& rule) const {
    Look result{attacks, run(attacks, rule, "rule"), {}, anyDepends(attacks, rules)};
    result.staticPoint =
        staticNet(result.attackFollows ? tablesOf(run(attacks, closed(), "static")) : result.tables());
    return result;
  }

  // Everybody at the main exit: the static net.
  graph::ExitRule closed() const { return graph::mainExitOnly(subject_.exitCount()); }

  const ImageSet images;

private:
  const CalibrateArguments& arguments_;
  const Subject& subject_;
  const std::string name_;
};

// Chooses on the viewer's images, looking at all attacks, and says what it saw of the rule it chose.
Look chooseByAttack(const Viewer& viewer, const std::vector<graph::ExitRule>& rules,
                    std::vector<Attack> attacks, int roundCount, Calibration& found) {
  const auto following = std::stable_partition(
      attacks.begin(), attacks.end(), [&](const Attack& attack) { return !anyDepends({attack}, rules); });
  const std::vector<Attack> fixed(attacks.begin(), following), moving(following, attacks.end());
  Look look{attacks, viewer.run(fixed, viewer.closed(), "fixed"), {}, !moving.empty()};
  const CalibrationTables tables = look.tables();
  look.staticPoint = staticNet(tables);
  if (moving.empty()) {
    found.choice = chooseRule(found.demand, rules, tables, found.costs, look.staticPoint);
    found.choosing = viewOf(found.choice, tables, look.staticPoint, false, found.costs);
    return look;
  }
  std::vector<std::vector<AttackedScores>> rounds;
  ProgressLine line;
  const SettledChoice settled = chooseUnderAttack(
      found.demand, rules, tables, found.costs,
      [&](const graph::ExitRule& rule) {
        rounds.push_back(viewer.run(moving, rule, text("round-", rounds.size())));
        rounds.back().erase(rounds.back().begin());  // clean
        std::vector<ScoreTable> made;
        for (const AttackedScores& scores : rounds.back()) made.push_back(scores.table);
        return made;
      },
      roundCount,
      [&](const AttackRound& round) {
        line.show(text("round ", rounds.size() - 1, ": ", describe(round)), true);
        line.finish();
      });
  found.choice = settled.choice;
  found.rounds = settled.rounds;
  found.settled = settled.settled;
  found.choosing = viewOf(found.choice, settled.tables, settled.staticPoint, true, found.costs);
  const std::vector<AttackedScores>& best = rounds[settled.best];
  look.scores.insert(look.scores.end(), best.begin(), best.end());
  return look;
}

// The same where attacks are only looked at afterwards, if at all. `proving` holds the images of a proof.
void chooseByClean(const ScoreTable& clean, const std::optional<ScoreTable>& proving,
                   const std::vector<graph::ExitRule>& rules, Calibration& found) {
  if (proving) {
    found.proof = chooseWithProof(found.demand, rules, clean, *proving, found.costs);
    found.choice = found.proof->choice;
    return;
  }
  const CalibrationTables tables{clean, {}};
  found.choice = chooseRule(found.demand, rules, tables, found.costs, staticNet(tables));
}

// What thresholds of the chosen kind lose to attacks made for them.
void reattackFrontier(const Viewer& viewer, const std::vector<Attack>& attacks, int count,
                      Calibration& found) {
  graph::ExitRule rule = found.choice.rule;
  for (const std::vector<float>& thresholds : alongFrontier(found, static_cast<size_t>(count))) {
    rule.thresholds = thresholds;
    const CalibrationTables tables =
        tablesOf(viewer.run(attacks, rule, text("frontier-", found.reattacked.size())));
    std::vector<Decisions> attacked;
    for (const ScoreTable& table : tables.attacked) attacked.push_back(decisionsOf(table, rule));
    found.reattacked.push_back(
        {thresholds, measureRule(decisionsOf(tables.clean, rule), attacked, found.costs, thresholds)});
  }
}

}  // namespace

void declareCalibrate(CLI::App& app, CalibrateArguments& arguments) {
  declareRequest(app, arguments);
  app.add_option(
         "--policy", arguments.policy,
         "equal-shares; cost: the least that keeps the accuracy; accuracy: the best within --max-cost; "
         "robust: the best under attack within --max-cost; risk: the least cost with a proof that losses "
         "are rare; given: none is chosen, the model's rule or --thresholds are measured")
      ->check(CLI::IsMember({"equal-shares", "cost", "accuracy", "robust", "risk", "given"}))
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
  app.add_option("--thresholds", arguments.thresholds, "given: e.g. 0.02,0.01; inf, -inf")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--operating-point", arguments.operatingPoint,
                 "Write the rule under this name, e.g. careful, and leave the one that the model answers by");
  app.add_flag("--default", arguments.makeDefault, "Let the model answer by the named rule, too");
  app.add_option("--held-out", arguments.heldOut, "Use only so many of the held-out training images");
  app.add_option(
      "--check-share", arguments.checkShare,
      "% of them that only measure what the others chose (50 for robust, risk and where several rules are "
      "tried, else 0)");
  app.add_option("--frontier", arguments.frontier,
                 "Draw cost against clean and attacked accuracy into this SVG file (needs gnuplot)");
  app.add_option("--frontier-points", arguments.frontierPoints,
                 "Rules along it to attack anew where the attack follows the rule")
      ->capture_default_str();
  app.add_option("-o,--output", arguments.output, "Write the model here instead of in place");
  app.add_option("--folder", arguments.evaluator.folder,
                 "Folder for results of each batch: an interrupted run goes on from there");
  arguments.folderOption = "--folder";
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
  belongs(!a.thresholds.empty(), "--thresholds", {"given"});
  if (a.makeDefault && a.operatingPoint.empty())
    throw CLI::ValidationError("--default", "is for a rule with a name; any other is the default anyway");
  if ((a.policy == "accuracy" || a.policy == "robust") && !a.maxCost) throw CLI::RequiredError("--max-cost");
  if (a.policy == "robust" && a.suite.empty() && (a.attack.empty() || a.attack.front() == "none"))
    throw CLI::ValidationError("--policy", "robust wants to know which attack; give --attack or --suite");
  if (a.policy == "risk" && a.checkShare && *a.checkShare == 0)
    throw CLI::ValidationError("--check-share",
                               "found 0, but the proof of --policy risk is made on that share");
}

namespace {

// As the rule that the model answers by, as one of its operating points, or both.
void writeRule(const CalibrateArguments& a, const Calibration& found, Subject& subject) {
  graph::ExitRule rule = found.choice.rule;
  rule.scores = subject.scoresInFile;
  const std::optional<graph::ExitRule>& before = subject.metadata.rule;
  graph::Metadata metadata;
  if (!a.operatingPoint.empty()) {
    metadata.operatingPoints = subject.metadata.operatingPoints;
    graph::setPoint(metadata.operatingPoints, {a.operatingPoint, rule, toMetadata(found)});
  }
  if (a.operatingPoint.empty() || a.makeDefault || !before) {
    if (!before || !graph::sameRule(*before, rule)) graph::eraseResults(subject.model);
    metadata.rule = rule;
    metadata.calibration = toMetadata(found);
  }
  graph::writeMetadata(subject.model, metadata);
}

int calibrateUnlessStopped(const CalibrateArguments& a) {
  if (!a.operatingPoint.empty()) graph::checkPointName(a.operatingPoint);
  Subject subject = loadSubject(a.model, a.data);
  Calibration found;
  found.demand = demandOf(a);
  found.costs = subject.costs;
  namingTheModel(a.model, [&] { checkDemand(found.demand, subject.costs); });
  const std::vector<graph::ExitRule> rules = rulesOf(a, subject);
  const bool wantsCheck =
      found.demand.policy == Policy::risk || found.demand.policy == Policy::robust || rules.size() > 1;
  const double checkShare = a.checkShare.value_or(wantsCheck ? kUsualCheckShare : 0);
  if (!(checkShare >= 0 && checkShare < 100))
    throw Error(text("--check-share: found ", checkShare, ", expected a percentage from 0 to below 100"));
  if (a.rounds && *a.rounds < 1) throw Error(text("--rounds: found ", *a.rounds, ", expected 1 or more"));
  if (a.frontierPoints < 1)
    throw Error(text("--frontier-points: found ", a.frontierPoints, ", expected 1 or more"));
  if (a.heldOut < 0) throw Error(text("--held-out: found ", a.heldOut, ", expected 1 or more images"));
  if (a.evaluator.limit < 0)
    throw Error(text("--limit: found ", a.evaluator.limit, ", expected 1 or more images"));
  const std::vector<Attack> attacks = judgingAttacks(a, subject);
  const std::string output = a.output.empty() ? a.model : a.output;
  checkWritable(a.json);
  checkWritable(a.frontier);
  checkWritable(output);
  if (!a.frontier.empty()) runGnuplot("");  // says what is missing before the work, not after it
  const ImageSet images = loadHeldOut(subject, a.heldOut);
  const int64_t limit = a.evaluator.limit > 0 ? std::min(a.evaluator.limit, images.count) : images.count;
  const Parts parts = partsOf(limit, checkShare, a.evaluator.seed);
  if (found.demand.policy == Policy::risk)
    checkEnoughToProve(found.demand, static_cast<int64_t>(parts.checking.size()));

  const Viewer choosing(a, subject, images.select(parts.choosing), "choosing");
  const Viewer checking(a, subject, images.select(parts.checking), "checking");
  const bool isChecked = !parts.checking.empty();
  const Viewer& honest = isChecked ? checking : choosing;
  Look look;
  if (choosesByAttack(found.demand.policy)) {
    look = chooseByAttack(choosing, rules, attacks, a.rounds.value_or(kUsualRounds), found);
    if (isChecked) look = checking.look(attacks, rules, found.choice.rule);
  } else {
    const CalibrationTables clean{choosing.clean(), {}};
    std::optional<ScoreTable> proving;
    if (found.demand.policy == Policy::risk) proving = checking.clean();
    chooseByClean(clean.clean, proving, rules, found);
    found.choosing = viewOf(found.choice, clean, staticNet(clean), false, subject.costs);
    look = honest.look(attacks, rules, found.choice.rule);
  }
  const CalibrationView seen =
      viewOf(found.choice, look.tables(), look.staticPoint, look.attackFollows, subject.costs);
  if (isChecked) found.checking = seen;
  if (!isChecked && !choosesByAttack(found.demand.policy)) found.choosing = seen;
  if (!a.frontier.empty() && seen.attackFollows)
    reattackFrontier(honest, look.attacks, a.frontierPoints, found);

  const graph::ExitRule& rule = found.choice.rule;
  Evaluation evaluation =
      evaluationOf(subject, "held-out", a.evaluator.seed, rule, honest.images, look.attacks, look.scores);
  evaluation.command = a.command;
  std::printf("%s\n%s", toTable(evaluation, terminalWidth()).c_str(), toTable(found).c_str());
  if (!a.json.empty()) {
    nlohmann::json json = toJson(evaluation);
    json["calibration"] = toJson(found);
    graph::writeFileAtomically(a.json, json.dump(2) + "\n");
  }
  if (!a.frontier.empty()) graph::writeFileAtomically(a.frontier, draw(frontierPlot(found)) + "\n");
  writeRule(a, found, subject);
  graph::saveModel(subject.model, output);
  return 0;
}

}  // namespace

int calibrate(const CalibrateArguments& arguments) {
  try {
    return calibrateUnlessStopped(arguments);
  } catch (const Stopped&) {
    return kStoppedExitCode;
  }
}

}  // namespace rdi::train
