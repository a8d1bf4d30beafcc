// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/request.hpp"

#include <algorithm>
#include <cmath>

#include "graph/error.hpp"
#include "trainer/command_line.hpp"
#include "trainer/evaluation_summary.hpp"
#include "trainer/progress_line.hpp"

namespace rdi::train {
namespace {

// Of the images that were attacked; the others count as wrong.
RuleOutcome outcomeOf(const AttackedScores& scores, const graph::ExitRule& rule) {
  const ScoreTable& all = scores.table;
  ScoreTable part = all;
  part.values.clear();
  part.labels.clear();
  part.count = 0;
  for (int64_t i = 0; i < all.count; ++i) {
    if (scores.attacked[static_cast<size_t>(i)] == 0) continue;
    part.values.insert(part.values.end(), all.scores(i, 0),
                       all.scores(i, 0) + all.exitCount * all.classCount);
    part.labels.push_back(all.labels[static_cast<size_t>(i)]);
    ++part.count;
  }
  if (part.count == all.count) return applyRule(all, rule);
  RuleOutcome whole = applyRule(all, rule);
  const std::vector<bool> right = whole.right;
  if (part.count > 0) {
    whole = applyRule(part, rule);
    const RuleOutcome everywhere = applyRule(all, rule);
    whole.taken = everywhere.taken;
    whole.answers = everywhere.answers;
  }
  whole.right.assign(right.size(), false);
  size_t count = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    whole.right[i] = scores.attacked[i] != 0 && right[i];
    count += whole.right[i];
  }
  whole.accuracy = static_cast<double>(count) / static_cast<double>(all.count);
  return whole;
}

std::vector<PictureSample> picturesOf(const Evaluation& evaluation, const ImageSet& shape,
                                      const std::vector<AttackedScores>& scores) {
  std::vector<PictureSample> pictures;
  const int64_t size = shape.imageSize();
  const std::vector<size_t> shown = rowsToLookAt(evaluation);
  const int64_t count = static_cast<int64_t>(scores[0].firstImages.size()) / std::max<int64_t>(size, 1);
  for (int64_t i = 0; i < count; ++i) {
    PictureSample sample;
    sample.image = i;
    sample.label = scores[0].table.labels[static_cast<size_t>(i)];
    sample.channels = shape.channels;
    sample.height = shape.height;
    sample.width = shape.width;
    for (const size_t row : shown) {
      if (scores[row].attacked[static_cast<size_t>(i)] == 0 ||
          static_cast<int64_t>(scores[row].firstImages.size()) < (i + 1) * size)
        continue;
      PictureSample::View view;
      view.row = evaluation.rows[row].name;
      for (int64_t p = i * size; p < (i + 1) * size; ++p)
        view.pixels.push_back(
            static_cast<uint8_t>(std::lround(scores[row].firstImages[static_cast<size_t>(p)] * 255)));
      view.exit = evaluation.rows[row].outcome.taken[static_cast<size_t>(i)];
      view.answer = evaluation.rows[row].outcome.answers[static_cast<size_t>(i)];
      sample.views.push_back(std::move(view));
    }
    pictures.push_back(std::move(sample));
  }
  return pictures;
}

}  // namespace

void declareRequest(CLI::App& app, Request& a) {
  AttackOptions& options = a.attacks.options;
  options.epsilon = options.stepSize = options.steps = -1;
  app.add_option("MODEL", a.model, "Multi-exit ONNX file; a single-exit one is a baseline");
  app.add_option("--data", a.data, knownData());
  app.add_option("--suite", a.suite,
                 "fast: a first look; paper: PGD in all K+3 forms; full: those, and every attack that knows "
                 "the rule")
      ->check(CLI::IsMember({"fast", "paper", "full"}));
  app.add_option("--attack", a.attack,
                 "Attacks, by commas: none, pgd, fgsm, fgsm-unprojected, wrm, cw, apgd-ce, apgd-dlr, apgd-t, "
                 "square")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--attack-loss", a.attackLoss,
                 "Whose loss they climb, by commas: single:K, main, average (default), max-average, random, "
                 "own, routed, soft-routed, slowdown-uniform, slowdown-hinge, slowdown-depth, or all: each "
                 "single one and the average")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option(
         "--epsilon", options.epsilon,
         "Radius, in [0,1] pixel units, e.g. 8/255; usual: MNIST 0.3, Fashion-MNIST 0.1, others 8/255")
      ->transform(fraction());
  app.add_option("--step-size", options.stepSize,
                 "Step of PGD, likewise; usual: 0.01, others 2/255, in proportion to the radius")
      ->transform(fraction());
  app.add_option("--steps", options.steps,
                 "Gradient steps; usual: PGD 40 for the MNISTs, else 20; APGD 50 (suite fast 20), WRM 15");
  app.add_option("--queries", a.attacks.queries, "Queries of Square an image")->capture_default_str();
  app.add_option("--restarts", options.restarts, "Attack so often and keep the worst")->capture_default_str();
  app.add_option_function<std::string>(
         "--norm", [&options](const std::string& name) { options.norm = normFromName(name); },
         "Of the ball: linf (default) or l2")
      ->check(CLI::IsMember({"linf", "l2"}));
  app.add_option_function<std::string>(
         "--surrogate", [&options](const std::string& name) { options.surrogate = surrogateFromName(name); },
         "What pgd climbs at an exit: ce (default), margin, dlr or targeted-dlr")
      ->check(CLI::IsMember({"ce", "margin", "dlr", "targeted-dlr"}));
  app.add_option("--temperature", options.temperature, "Of soft routing, in the criterion's unit")
      ->capture_default_str();
  app.add_option("--random-start", options.randomStart, "Start at a random point of the ball (true or false)")
      ->capture_default_str();
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
  for (const std::string& method : a.attack) {
    const std::vector<std::string> known = attackMethods();
    if (method != "none" && std::find(known.begin(), known.end(), method) == known.end())
      throw CLI::ValidationError("--attack", method + " is not known; --help lists those that are");
    if (method == "none" && a.attack.size() > 1)
      throw CLI::ValidationError("--attack", "none does not go with others");
  }
  // Whoever says which loss an attack climbs wants to attack.
  if (a.attack.empty() && !a.attackLoss.empty()) a.attack = {"pgd"};
  if (a.attackLoss.empty()) a.attackLoss = {"average"};
}

std::vector<Attack> attacksOf(const Request& a, const Subject& subject) {
  const size_t exits = subject.exitCount();
  const bool stepsAsked = a.attacks.options.steps >= 0;
  const AttackRequest request = usualAttack(subject.source.name, a.attacks);
  checkAttackOptions(request.options);
  if (request.queries < 1) throw Error(text("--queries: found ", request.queries, ", expected 1 or more"));
  const auto refuse = [&](const std::string& name) {
    throw Error(text(a.model, ": has one exit only, so there is nothing that ", name,
                     " could slow down; leave it out"));
  };
  std::vector<Attack> attacks;
  if (!a.suite.empty()) attacks = attackSuite(a.suite, request, stepsAsked, exits);
  std::vector<AttackForm> forms;
  for (const std::string& name : a.attackLoss) {
    if (name != "all") {
      forms.push_back(attackFormFromName(name, exits));
      if (forms.back().isSlowdown() && exits < 2) refuse(name);
      continue;
    }
    for (size_t k = 0; k < exits; ++k) forms.push_back({AttackForm::Kind::single, k});
    if (exits > 1) forms.push_back({AttackForm::Kind::average, 0});
  }
  for (const std::string& method : a.attack)
    for (const AttackForm& form : forms) {
      if (method == "none") continue;
      const Attack attack = attackOf(method, form, request, stepsAsked, exits);
      const auto isSame = [&](const Attack& other) { return other.name == attack.name; };
      if (std::none_of(attacks.begin(), attacks.end(), isSame)) attacks.push_back(attack);
    }
  return attacks;
}

std::optional<std::vector<AttackedScores>> runAttacks(const Request& a, Evaluator& evaluator,
                                                      const std::vector<Attack>& attacks,
                                                      const graph::ExitRule& rule, const RunPlace& place) {
  catchStopSignals();
  ProgressLine line;
  EvaluatorHooks hooks;
  hooks.stop = stopRequested;
  hooks.progress = [&](const Attack& attack, int64_t images, double secondsLeft) {
    const double seconds = secondsLeft + (place.later ? place.later(secondsLeft) : 0);
    line.show(text(place.name, place.name.empty() ? "" : ": ", images, "/", evaluator.imageCount(),
                   " images, ", attack.name, ", ", clockTime(seconds), " left"));
  };
  auto scores = evaluator.run(attacks, rule, hooks);
  line.finish();
  if (!scores && a.evaluator.folder.empty())
    std::fprintf(stderr, "rdi-evaluate: stopped; with %s FOLDER it could go on from here\n",
                 a.folderOption.c_str());
  if (!scores && !a.evaluator.folder.empty())
    std::fprintf(stderr, "rdi-evaluate: stopped; results so far are in %s, run the same command to go on\n",
                 a.evaluator.folder.c_str());
  return scores;
}

Evaluation evaluationOf(const Subject& subject, const std::string& set, uint64_t seed,
                        const graph::ExitRule& rule, const ImageSet& images,
                        const std::vector<Attack>& attacks, const std::vector<AttackedScores>& scores) {
  Evaluation result;
  result.model = subject.file;
  result.data = subject.source.name;
  result.set = set;
  result.classNames = subject.source.classNames;
  result.imageCount = scores[0].table.count;
  result.seed = seed;
  result.rule = rule;
  result.costs = subject.costs;
  for (size_t row = 0; row < scores.size(); ++row) {
    EvaluationRow found;
    found.name = "clean";
    if (row > 0) {
      const Attack& attack = attacks[row - 1];
      found.name = attack.name;
      found.family = attack.family;
      found.settings = attack.settings(subject.exitCount());
      found.inBall = attack.inBall;
      found.onlySurvivors = attack.onlySurvivors;
    }
    found.attacked = std::count(scores[row].attacked.begin(), scores[row].attacked.end(), 1);
    found.seconds = scores[row].seconds;
    found.outcome = outcomeOf(scores[row], rule);
    result.rows.push_back(std::move(found));
  }
  result.pictures = picturesOf(result, images, scores);
  return result;
}

}  // namespace rdi::train
