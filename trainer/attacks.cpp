// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attacks.hpp"

#include "graph/error.hpp"
#include "trainer/ball.hpp"
#include "trainer/kept.hpp"
#include "trainer/route.hpp"
#include "trainer/square.hpp"
#include "trainer/steps.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;
using Kind = AttackForm::Kind;

ForwardMode forwardMode(AttackMode mode) {
  switch (mode) {
    case AttackMode::eval:
      return ForwardMode::evaluation();
    case AttackMode::batch:
      return {true, false, false};
    case AttackMode::train:
      return ForwardMode::training();
  }
  return {};
}

// Every exit has its say when the best iterate is looked for.
ExitSet exitsFor(const Goal& goal, bool isJudged) {
  return isJudged && goal.reached ? kAllExits : goal.exits;
}

// Iterates of the images at `rows` where they are now.
void offer(GraphModule& module, const Tensor& rows, const Tensor& moved, const Aim& aim, const Goal& goal,
           const ForwardMode& mode, Kept& kept) {
  torch::NoGradGuard noGradient;
  const auto scores = module.forward(moved, mode, exitsFor(goal, true));
  kept.offer(rows, moved, goal.reached ? goal.reached(scores, aim) : Tensor(), goal.loss(scores, aim));
}

// One run from one start. With Keep::best every iterate is offered to `kept` and images that are done are
// left out; else the last iterates are returned.
Tensor climb(GraphModule& module, const Tensor& images, const Aim& all, const AttackOptions& options,
             const Goal& goal, torch::Generator& generator, Kept& kept) {
  const ForwardMode mode = forwardMode(options.mode);
  const bool isJudged = options.keep == Keep::best;
  const ExitSet exits = exitsFor(goal, isJudged);
  // Places in the batch of the images still at work.
  Tensor rows = torch::arange(images.size(0), all.labels.options());
  Ball ball(images, options);
  Aim aim = all;
  Steps steps(options, goal.exitCount);
  Tensor moved = options.randomStart ? ball.start(generator) : images.clone();
  if (options.steps == 0) ball.project(moved);

  const auto goOnWith = [&](const Tensor& places) {
    rows = rows.index_select(0, places);
    moved = moved.index_select(0, places);
    aim = aim.pick(places);
    ball = ball.pick(places);
    steps.pick(places);
  };
  const auto stillToDo = [&] {
    return (kept.reached().index_select(0, rows) < goal.most).nonzero().squeeze(1);
  };
  if (isJudged && goal.reached) goOnWith(stillToDo());

  for (int t = 0; t < options.steps && rows.size(0) > 0; ++t) {
    torch::AutoGradMode withGradient(true);
    moved.requires_grad_(true);
    const auto scores = module.forward(moved, mode, exits);
    const Tensor loss = goal.loss(scores, aim);
    const Tensor gradient = torch::autograd::grad({loss.sum()}, {moved})[0];
    torch::NoGradGuard noGradient;
    moved = moved.detach();
    if (isJudged) kept.offer(rows, moved, goal.reached ? goal.reached(scores, aim) : Tensor(), loss.detach());
    moved = steps.next(moved, gradient, loss.detach(), ball, t);
    if (!isJudged || !goal.reached) continue;
    // Rows are dropped a few at a time: smaller batches pay, a copy at every step does not.
    const Tensor left = stillToDo();
    if (left.size(0) * 8 <= rows.size(0) * 7) goOnWith(left);
  }
  if (isJudged && rows.size(0) > 0) offer(module, rows, moved, aim, goal, mode, kept);
  return moved.detach();
}

}  // namespace

Tensor perturb(GraphModule& module, const Tensor& images, const Aim& aim, const AttackOptions& options,
               const Goal& goal, torch::Generator& generator) {
  const FrozenParameters frozen(module);
  Kept kept(images);
  for (int restart = 0; restart < options.restarts; ++restart) {
    Aim aimNow = aim;
    if (options.surrogate == Surrogate::targetedDlr && !aim.other.defined()) {
      torch::NoGradGuard noGradient;
      const auto scores = module.forward(images, ForwardMode::evaluation());
      const Tensor mean = torch::log_softmax(torch::stack(scores), -1).mean(0);
      aimNow.other = wrongClass(mean, aim.labels, restart % (mean.size(1) - 1));
    }
    if (options.stepRule == StepRule::square) {
      square(module, images, aimNow, options, goal, generator, kept);
      continue;
    }
    const Tensor last = climb(module, images, aimNow, options, goal, generator, kept);
    if (options.keep == Keep::best) continue;
    if (options.restarts == 1) return last;
    offer(module, torch::arange(images.size(0), aim.labels.options()), last, aimNow, goal,
          ForwardMode::evaluation(), kept);
  }
  return kept.images();
}

Tensor attackUnderRule(GraphModule& module, const Tensor& images, const Tensor& labels,
                       const AttackOptions& options, const AttackForm& form, const graph::ExitRule& rule,
                       torch::Generator& generator, const std::vector<Tensor>& singles) {
  const size_t exits = module.exitCount();
  if (form.isSlowdown() && exits < 2)
    throw Error("a slowdown attack needs early exits to close, the model has none");
  Aim aim{labels, {}, {}, {}};
  if (options.surrogate == Surrogate::divergence) {
    torch::NoGradGuard noGradient;
    const auto scores = module.forward(images, forwardMode(options.mode));
    aim.reference = torch::log_softmax(fusedAnswers(scores, rule.fusion), -1);
  }
  const auto run = [&](const AttackForm& now) {
    Aim aimNow = aim;
    if (now.kind == Kind::own)
      aimNow.exit = torch::empty_like(labels).random_(0, static_cast<int64_t>(exits), generator);
    return perturb(module, images, aimNow, options, goalOf(now, options, rule, exits, generator), generator);
  };
  if (form.kind != Kind::maxAverage) return run(form);
  const Goal sum = sumUnderRule(options, rule);
  Kept kept(images);
  for (size_t k = 0; k < exits; ++k)
    offer(module, torch::arange(labels.size(0), labels.options()),
          singles.empty() ? run({Kind::single, k}) : singles[k], aim, sum, forwardMode(options.mode), kept);
  return kept.images();
}

}  // namespace rdi::train
