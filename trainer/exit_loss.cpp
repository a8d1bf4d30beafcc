// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/exit_loss.hpp"

#include "graph/error.hpp"
#include "trainer/route.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;
using Scores = std::vector<Tensor>;
using Kind = AttackForm::Kind;

// exits x N x C -> exits x N: all exits as one long batch, for few operators a step.
Tensor lossesOf(const Tensor& answers, const Aim& aim, Surrogate surrogate) {
  const int64_t exits = answers.size(0), count = answers.size(1);
  const auto often = [&](const Tensor& values) { return values.defined() ? values.repeat({exits}) : values; };
  const Tensor reference = aim.reference.defined() ? aim.reference.flatten(0, 1) : aim.reference;
  return surrogateLoss(answers.flatten(0, 1), {often(aim.labels), often(aim.other), {}, reference}, surrogate)
      .view({exits, count});
}

// Row exit[i] of column i: exits x N (x C) -> N (x C).
Tensor atExit(const Tensor& values, const Tensor& exit) {
  const Tensor columns = torch::arange(values.size(1), exit.options());
  return values.index({exit, columns});
}

// The loss of the answer at an exit of each image's own.
Tensor lossAtExit(const Tensor& answers, const Tensor& exit, const Aim& aim, Surrogate surrogate) {
  Aim there = aim;
  if (aim.reference.defined()) there.reference = atExit(aim.reference, exit);
  return surrogateLoss(atExit(answers, exit), there, surrogate);
}

// The loss of exit k's answer.
Tensor lossOfExit(const Tensor& answer, size_t k, const Aim& aim, Surrogate surrogate) {
  Aim there = aim;
  if (aim.reference.defined()) there.reference = aim.reference[static_cast<int64_t>(k)];
  return surrogateLoss(answer, there, surrogate);
}

// The mean of - ln p_c over classes: cross-entropy against the uniform distribution.
Tensor distanceFromUniform(const Tensor& answers) { return -torch::log_softmax(answers, -1).mean(-1); }

ExitSet exitsUpTo(size_t k) { return k + 1 >= 64 ? kAllExits : (ExitSet{1} << (k + 1)) - 1; }

// The answer of exit k alone; computes no exit that it does not need.
Tensor answerAt(const Scores& scores, size_t k, graph::Fusion fusion) {
  if (fusion == graph::Fusion::last) return scores[k];
  const auto first = scores.begin();
  return fusedAnswers(Scores(first, first + static_cast<std::ptrdiff_t>(k) + 1), fusion).select(0, -1);
}

}  // namespace

Goal singleExit(size_t k, Surrogate surrogate) {
  return {[=](const Scores& scores, const Aim& aim) { return lossOfExit(scores[k], k, aim, surrogate); },
          onlyExit(k),
          {}};
}

Goal averageOfExits(Surrogate surrogate) {
  return {[=](const Scores& scores, const Aim& aim) {
            return lossesOf(torch::stack(scores), aim, surrogate).mean(0);
          },
          kAllExits,
          {}};
}

Goal sumUnderRule(const AttackOptions& options, const graph::ExitRule& rule) {
  // Candidates may have aimed at different classes: what compares them aims at none.
  const Surrogate surrogate =
      options.surrogate == Surrogate::targetedDlr ? Surrogate::dlr : options.surrogate;
  return {[fusion = rule.fusion, surrogate](const Scores& scores, const Aim& aim) {
            return lossesOf(fusedAnswers(scores, fusion), aim, surrogate).sum(0);
          },
          kAllExits,
          {}};
}

Goal goalOf(const AttackForm& form, const AttackOptions& options, const graph::ExitRule& rule,
            size_t exitCount, torch::Generator& generator) {
  graph::checkRule(rule, exitCount);
  const Surrogate surrogate = options.surrogate;
  const double temperature = options.temperature;
  Goal goal;
  switch (form.kind) {
    case Kind::single:
      goal.loss = [=, fusion = rule.fusion](const Scores& scores, const Aim& aim) {
        return lossOfExit(answerAt(scores, form.exit, fusion), form.exit, aim, surrogate);
      };
      goal.exits = rule.fusion == graph::Fusion::last ? onlyExit(form.exit) : exitsUpTo(form.exit);
      break;
    case Kind::average:
      // The Wasserstein objective is summed over exits, penalty and all.
      if (options.stepRule == StepRule::wrm) {
        goal = sumUnderRule(options, rule);
        goal.exitCount = static_cast<double>(exitCount);
        break;
      }
      goal.loss = [=, fusion = rule.fusion](const Scores& scores, const Aim& aim) {
        return lossesOf(fusedAnswers(scores, fusion), aim, surrogate).mean(0);
      };
      break;
    case Kind::own:
      goal.loss = [=, fusion = rule.fusion](const Scores& scores, const Aim& aim) {
        return lossAtExit(fusedAnswers(scores, fusion), aim.exit, aim, surrogate);
      };
      break;
    case Kind::random: {
      Tensor weights = torch::empty({static_cast<int64_t>(exitCount), 1}, generator.device());
      weights.uniform_(0, 1, generator);
      weights = weights / weights.sum();
      goal.loss = [=, fusion = rule.fusion](const Scores& scores, const Aim& aim) {
        const Tensor losses = lossesOf(fusedAnswers(scores, fusion), aim, surrogate);
        return (losses * weights).sum(0);
      };
      break;
    }
    case Kind::routed:
      goal.loss = [=](const Scores& scores, const Aim& aim) {
        const Route route(scores, rule);
        return lossAtExit(route.answers(), route.taken(), aim, surrogate);
      };
      break;
    case Kind::softRouted:
      goal.loss = [=](const Scores& scores, const Aim& aim) {
        const Route route(scores, rule);
        return (route.probabilities(temperature) * lossesOf(route.answers(), aim, surrogate)).sum(0);
      };
      break;
    case Kind::slowdownUniform:
      goal.loss = [=](const Scores& scores, const Aim&) {
        const Tensor answers = fusedAnswers(scores, rule.fusion);
        return -distanceFromUniform(answers.narrow(0, 0, answers.size(0) - 1)).sum(0);
      };
      break;
    case Kind::slowdownHinge:
      goal.loss = [=](const Scores& scores, const Aim&) {
        const Route route(scores, rule);
        const Tensor open = torch::isfinite(route.thresholds());
        const Tensor above = route.uncertainty() - torch::where(open, route.thresholds(), torch::zeros({}));
        return (torch::clamp_max(above, 0) * open).sum(0);
      };
      break;
    case Kind::slowdownDepth:
      goal.loss = [=](const Scores& scores, const Aim&) {
        const Tensor probabilities = Route(scores, rule).probabilities(temperature);
        const Tensor exits = torch::arange(probabilities.size(0), probabilities.options()).view({-1, 1});
        return (probabilities * exits).sum(0);
      };
      break;
    case Kind::maxAverage:
      throw Error("max-average chooses among attacks and has no loss of its own");
  }
  if (form.isSlowdown()) {
    goal.most = static_cast<int64_t>(exitCount) - 1;
    goal.reached = [=](const Scores& scores, const Aim&) { return Route(scores, rule).taken(); };
  } else {
    goal.reached = [=](const Scores& scores, const Aim& aim) {
      const Route route(scores, rule);
      return (atExit(route.answers().detach(), route.taken()).argmax(1) != aim.labels).to(torch::kInt64);
    };
  }
  return goal;
}

}  // namespace rdi::train
