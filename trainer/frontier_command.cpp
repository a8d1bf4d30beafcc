// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/frontier_command.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "trainer/calibration_report.hpp"
#include "trainer/command_line.hpp"
#include "trainer/frontier.hpp"
#include "trainer/gnuplot.hpp"
#include "trainer/model_fit.hpp"

namespace rdi::train {
namespace {

constexpr double kCleanWeight = 0.5;  // thresholds are chosen by the mean of clean and attacked accuracy

// SIGINT or SIGTERM came.
struct Stopped {};

graph::ExitRule kindFromName(const std::string& name) {
  std::vector<std::string> parts;
  std::istringstream stream(name);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  graph::ExitRule rule;
  if (parts.size() == 3) {
    const char* end = parts[2].data() + parts[2].size();
    const auto [stop, failure] = std::from_chars(parts[2].data(), end, rule.patience);
    if (failure == std::errc() && stop == end && rule.patience > 0) {
      rule.criterion = graph::criterionFromName(parts[0]);
      rule.fusion = graph::fusionFromName(parts[1]);
      return rule;
    }
  }
  throw Error(
      text("--rule: found ", name, ", expected criterion, fusion and patience, such as entropy,mean,2"));
}

// "entropy-last-1_0.25_inf": a folder that only this rule writes to.
std::string folderOf(const graph::ExitRule& rule) {
  std::ostringstream name;
  name.precision(9);
  name << graph::nameOf(rule.criterion) << "-" << graph::nameOf(rule.fusion) << "-" << rule.patience;
  for (const float threshold : rule.thresholds) name << "_" << threshold;
  return name.str();
}

double mmac(const graph::Macs& macs) { return static_cast<double>(macs.total()) / 1e6; }

double workOf(const std::vector<Attack>& attacks) {
  double work = 1;
  for (const Attack& attack : attacks) work += attack.options.steps * attack.options.restarts;
  return work;
}

// One model, the rules that it is to be run by, and where its results go.
struct Candidate {
  Subject subject;
  std::string folder;
  std::vector<Attack> fixed,
      following;  // those that are the same for every rule that fuses nothing; all others
  std::vector<std::pair<std::string, graph::ExitRule>> points;

  // Attacks that a rule faces beside the fixed ones.
  std::vector<Attack> made(const graph::ExitRule& rule) const {
    std::vector<Attack> attacks = rule.fusion == graph::Fusion::last ? std::vector<Attack>() : fixed;
    attacks.insert(attacks.end(), following.begin(), following.end());
    return attacks;
  }
  double passMmac() const { return mmac(subject.costs.back().paid); }
};

// How long the rest takes, by what was done so far.
class Clock {
public:
  void plan(double work) { planned_ += work; }
  void wasDone(double work, const std::vector<AttackedScores>& scores) {
    planned_ -= work;
    done_ += work;
    for (const AttackedScores& row : scores) seconds_ += row.seconds;
  }
  // Once the run at hand, which takes `here` seconds more, is over.
  double later(double work, double here) const {
    const double rate = done_ > 0 ? seconds_ / done_ : here / work;
    return rate * std::max(0.0, planned_ - work);
  }

private:
  double planned_ = 0, done_ = 0, seconds_ = 0;
};

class Sweep {
public:
  explicit Sweep(const FrontierArguments& arguments) : a_(arguments) {
    for (const std::string& name : a_.rules) kinds_.push_back(kindFromName(name));
    for (const std::string& model : a_.models) add(model);
    reference_ = a_.reference.empty() ? candidates_.front().subject : loadSubject(a_.reference, a_.data);
  }

  Frontier run() {
    for (Candidate& candidate : candidates_) plan(candidate);
    for (const Candidate& candidate : candidates_) {
      clock_.plan(workOf(candidate.fixed) * candidate.passMmac());
      for (const auto& [name, rule] : candidate.points)
        clock_.plan(workOf(candidate.made(rule)) * candidate.passMmac());
    }
    Frontier result;
    result.command = a_.command;
    result.data = reference_.source.name;
    result.set = "test";
    result.seed = a_.evaluator.seed;
    result.reference = reference_.file;
    result.referenceMmac = mmac(reference_.costs.back().own);
    for (const Candidate& candidate : candidates_)
      result.models.push_back(measure(candidate, result.imageCount));
    return result;
  }

private:
  void add(const std::string& model) {
    Candidate candidate;
    candidate.subject = loadSubject(model, a_.data);
    candidate.folder =
        text(a_.output, "/", candidates_.size() + 1, "-", std::filesystem::path(model).stem().string());
    std::vector<Attack> attacks = attacksOf(a_, candidate.subject);
    const bool isChain =
        std::any_of(attacks.begin(), attacks.end(), [](const Attack& x) { return x.onlySurvivors; });
    for (Attack& attack : attacks) {
      const bool isFixed = !isChain && !attack.dependsOnRule(graph::Fusion::last);
      (isFixed ? candidate.fixed : candidate.following).push_back(attack);
    }
    candidates_.push_back(std::move(candidate));
  }

  // Runs of one model in a folder of their own.
  std::vector<AttackedScores> run(const Candidate& candidate, const ImageSet& images, int64_t limit,
                                  const std::vector<Attack>& attacks, const graph::ExitRule& rule,
                                  const std::string& name, bool isPlanned) {
    EvaluatorOptions options = a_.evaluator;
    options.modelName = candidate.subject.file;
    options.limit = limit;
    options.folder = candidate.folder + "/" + name;
    Evaluator evaluator(candidate.subject.model, images, options);
    Request request = a_;
    request.evaluator.folder = a_.output;  // what to say when it is stopped
    const double work = workOf(attacks) * candidate.passMmac();
    RunPlace place{text(std::filesystem::path(candidate.folder).filename().string(), ", ", name), {}};
    if (isPlanned) place.later = [&](double here) { return clock_.later(work, here); };
    auto scores = runAttacks(request, evaluator, attacks, rule, place);
    if (!scores) throw Stopped();
    if (isPlanned) clock_.wasDone(work, *scores);
    return *scores;
  }

  // The rules that a model is run by: its own, by name, and each kind's along its frontier.
  void plan(Candidate& candidate) {
    const Subject& subject = candidate.subject;
    const graph::ExitRule closed = graph::mainExitOnly(subject.exitCount());
    const auto addPoint = [&](const std::string& name, const graph::ExitRule& rule) {
      const auto same = std::find_if(candidate.points.begin(), candidate.points.end(),
                                     [&](const auto& other) { return graph::sameRule(other.second, rule); });
      if (same == candidate.points.end())
        candidate.points.emplace_back(name, rule);
      else if (!name.empty())
        same->first += ", " + name;
    };
    addPoint("static net", closed);
    if (subject.exitCount() < 2) return;
    if (subject.metadata.rule) {
      namingTheModel(subject.file, [&] { graph::checkRule(subject.rule, subject.exitCount()); });
      addPoint("shipped", subject.rule);
    }
    for (const graph::OperatingPoint& point : subject.metadata.operatingPoints)
      addPoint(point.name, pointOf(subject, point.name));
    if (a_.points == 0) return;

    const ImageSet heldOut = loadHeldOut(subject, 0);
    const CalibrationTables tables =
        tablesOf(run(candidate, heldOut, std::min(a_.searchImages, heldOut.count), searchAttacks(subject),
                     closed, "search", false));
    for (graph::ExitRule kind : kinds_.empty() ? std::vector<graph::ExitRule>{subject.rule} : kinds_) {
      std::vector<Decisions> attacked;
      for (const ScoreTable& table : tables.attacked) attacked.push_back(decisionsOf(table, kind));
      const ThresholdSearch search(decisionsOf(tables.clean, kind), attacked, subject.costs);
      for (const std::vector<float>& thresholds :
           alongFrontier(search.frontier(kCleanWeight), static_cast<size_t>(a_.points))) {
        kind.thresholds = thresholds;
        addPoint("", kind);
      }
    }
  }

  // PGD on each exit and on their average: no rule has a part in it, and whatever exit a rule sends an image
  // to, somebody has attacked it there.
  std::vector<Attack> searchAttacks(const Subject& subject) const {
    Request request = a_;
    request.suite.clear();
    request.attack = {"pgd"};
    request.attackLoss = {"all"};
    request.attacks.options.steps = a_.searchSteps;
    request.attacks.options.restarts = 1;
    // Fewer steps than usual are longer ones: 2.5 radii in all.
    request.attacks.options.stepSize =
        2.5 * usualAttack(subject.source.name, a_.attacks).options.epsilon / a_.searchSteps;
    return attacksOf(request, subject);
  }

  FrontierModel measure(const Candidate& candidate, int64_t& imageCount) {
    const Subject& subject = candidate.subject;
    const ImageSet images = loadImages(subject, Split::test);
    FrontierModel model{subject.file, subject.exitCount(), mmac(subject.costs.back().own), {}};
    const graph::ExitRule closed = graph::mainExitOnly(subject.exitCount());
    const auto fixed = run(candidate, images, a_.evaluator.limit, candidate.fixed, closed, "fixed", true);
    for (const auto& [name, rule] : candidate.points) {
      std::vector<Attack> attacks = candidate.made(rule);
      auto scores = run(candidate, images, a_.evaluator.limit, attacks, rule, folderOf(rule), true);
      if (rule.fusion == graph::Fusion::last) {
        attacks.insert(attacks.end(), candidate.fixed.begin(), candidate.fixed.end());
        scores.insert(scores.end(), fixed.begin() + 1, fixed.end());
      }
      const Evaluation evaluation =
          evaluationOf(subject, "test", a_.evaluator.seed, rule, images, attacks, scores);
      imageCount = evaluation.imageCount;
      model.points.push_back(train::pointOf(name, evaluation));
    }
    return model;
  }

  static CalibrationTables tablesOf(const std::vector<AttackedScores>& scores) {
    CalibrationTables tables{scores.front().table, {}};
    for (size_t i = 1; i < scores.size(); ++i) tables.attacked.push_back(scores[i].table);
    return tables;
  }

  const FrontierArguments& a_;
  std::vector<graph::ExitRule> kinds_;
  std::vector<Candidate> candidates_;
  Subject reference_;
  Clock clock_;
};

}  // namespace

void declareFrontier(CLI::App& app, FrontierArguments& arguments) {
  declareRequest(app, arguments);
  app.remove_option(app.get_option("MODEL"));
  app.add_option("MODEL", arguments.models, "Multi-exit and single-exit ONNX files");
  app.add_option(
         "--rule", arguments.rules,
         "Kind of rule to sweep, as often as wanted: criterion, fusion, patience, e.g. entropy,mean,2; "
         "without, the kind in each model")
      ->allow_extra_args(false);
  app.add_option("--points", arguments.points,
                 "Thresholds for each kind of rule and model, evenly in cost; each is attacked anew")
      ->capture_default_str();
  app.add_option("--search-images", arguments.searchImages, "Held-out training images that choose thresholds")
      ->capture_default_str();
  app.add_option("--search-steps", arguments.searchSteps, "Steps of PGD on each of their exits meanwhile")
      ->capture_default_str();
  app.add_option("--reference", arguments.reference,
                 "Model whose static net costs 100 %; without, the first one");
  app.add_option(
      "-o,--output", arguments.output,
      "Folder for frontier.json, frontier.svg and results of each batch: an interrupted run goes on "
      "from there");
}

void checkFrontier(FrontierArguments& a) {
  if (!a.models.empty()) a.model = a.models.front();
  checkRequest(a);
  if (a.output.empty()) throw CLI::RequiredError("--output");
  if (a.suite.empty() && a.attack.empty()) a.suite = "fast";
}

int frontier(const FrontierArguments& a) {
  if (a.points < 0) throw Error(text("--points: found ", a.points, ", expected 0 or more"));
  if (a.searchImages < 1)
    throw Error(text("--search-images: found ", a.searchImages, ", expected 1 or more"));
  if (a.searchSteps < 1) throw Error(text("--search-steps: found ", a.searchSteps, ", expected 1 or more"));
  checkWritable(a.json);
  runGnuplot("");  // says what is missing before hours of work
  try {
    const Frontier found = Sweep(a).run();
    std::printf("%s", toTable(found).c_str());
    const std::string json = toJson(found).dump(2) + "\n";
    graph::writeFileAtomically(a.output + "/frontier.json", json);
    if (!a.json.empty()) graph::writeFileAtomically(a.json, json);
    graph::writeFileAtomically(a.output + "/frontier.svg", draw(frontierPlots(found)) + "\n");
  } catch (const Stopped&) {
    return kStoppedExitCode;
  }
  return 0;
}

}  // namespace rdi::train
