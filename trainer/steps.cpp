// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/steps.hpp"

#include <algorithm>
#include <cmath>

namespace rdi::train {
namespace {

using torch::Tensor;

constexpr double kMomentum = 0.75;  // weight of the new step
constexpr double kRises = 0.75;     // of the steps must raise the loss, else the step is halved
// The first check comes after this share of all steps; each period is shorter than the one before by
// kShorter, down to kShortest.
constexpr double kFirstCheck = 0.22, kShortest = 0.06, kShorter = 0.03;

int shareOf(int steps, double share) { return std::max(1, static_cast<int>(share * steps)); }

Tensor asPixels(const Tensor& mask) { return mask.view({-1, 1, 1, 1}); }

}  // namespace

Tensor Steps::next(const Tensor& moved, const Tensor& gradient, const Tensor& loss, const Ball& ball, int t) {
  Tensor result;
  switch (options_.stepRule) {
    case StepRule::apgd:
      return apgd(moved, gradient, loss, ball, t);
    case StepRule::wrm:
      result =
          moved + (gradient * options_.epsilon - (moved - ball.centres()) * exitCount_) / std::sqrt(t + 2.0);
      break;
    default:
      result = moved + ball.direction(gradient) * options_.stepSize;
  }
  ball.project(result);
  return result;
}

Tensor Steps::apgd(Tensor moved, Tensor gradient, const Tensor& loss, const Ball& ball, int t) {
  if (t == 0) {
    step_ = torch::full({moved.size(0), 1, 1, 1}, 2 * options_.epsilon, moved.options());
    before_ = best_ = moved;
    bestGradient_ = gradient;
    lossBefore_ = bestLoss_ = bestLossAtCheck_ = loss;
    rises_ = torch::zeros_like(loss);
    halvedAtCheck_ = torch::ones_like(loss, torch::kBool);
    period_ = shareOf(options_.steps, kFirstCheck);
    sinceCheck_ = 0;
  } else {
    rises_ = rises_ + (loss > lossBefore_);
    lossBefore_ = loss;
    const Tensor better = loss > bestLoss_;
    best_ = torch::where(asPixels(better), moved, best_);
    bestGradient_ = torch::where(asPixels(better), gradient, bestGradient_);
    bestLoss_ = torch::where(better, loss, bestLoss_);
    if (++sinceCheck_ == period_) {
      const Tensor stuck = torch::logical_and(halvedAtCheck_.logical_not(), bestLoss_ <= bestLossAtCheck_);
      const Tensor halve = torch::logical_or(rises_ <= kRises * period_, stuck);
      step_ = torch::where(asPixels(halve), step_ / 2, step_);
      moved = torch::where(asPixels(halve), best_, moved);
      gradient = torch::where(asPixels(halve), bestGradient_, gradient);
      halvedAtCheck_ = halve;
      bestLossAtCheck_ = bestLoss_;
      rises_ = torch::zeros_like(rises_);
      sinceCheck_ = 0;
      period_ = std::max(period_ - shareOf(options_.steps, kShorter), shareOf(options_.steps, kShortest));
    }
  }
  Tensor ahead = moved + ball.direction(gradient) * step_;
  ball.project(ahead);
  const double weight = t == 0 ? 1 : kMomentum;
  Tensor result = moved + (ahead - moved) * weight + (moved - before_) * (1 - weight);
  ball.project(result);
  before_ = moved;
  return result;
}

void Steps::pick(const Tensor& rows) {
  for (Tensor* state : {&step_, &before_, &lossBefore_, &rises_, &best_, &bestGradient_, &bestLoss_,
                        &bestLossAtCheck_, &halvedAtCheck_})
    if (state->defined()) *state = state->index_select(0, rows);
}

}  // namespace rdi::train
