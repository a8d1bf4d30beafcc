// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attacks.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

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

// Losses (N) without gradient.
Tensor lossOf(GraphModule& module, const Tensor& images, const Tensor& labels, const ForwardMode& mode,
              const ExitLoss& loss) {
  torch::NoGradGuard noGradient;
  return loss.perImage(module.forward(images, mode, loss.exits), labels);
}

// Per image the one of two with the larger loss; `best` and `bestLoss` are updated.
void keepWorse(const Tensor& candidate, const Tensor& candidateLoss, Tensor& best, Tensor& bestLoss) {
  if (!best.defined()) {
    best = candidate;
    bestLoss = candidateLoss;
    return;
  }
  const Tensor worse = candidateLoss > bestLoss;
  best = torch::where(worse.view({-1, 1, 1, 1}), candidate, best);
  bestLoss = torch::where(worse, candidateLoss, bestLoss);
}

}  // namespace

Tensor perturb(GraphModule& module, const Tensor& images, const Tensor& labels, const AttackOptions& options,
               const ExitLoss& loss, torch::Generator& generator) {
  const FrozenParameters frozen(module);
  const ForwardMode mode = forwardMode(options.mode);
  // Ball and pixel range in one: the image lies in both.
  Tensor low, high;
  if (options.project) {
    low = torch::clamp_min(images - options.epsilon, 0);
    high = torch::clamp_max(images + options.epsilon, 1);
  }
  const auto back = [&](Tensor& moved) {
    if (options.project) {
      at::clamp_(moved, low, high);
    } else {
      moved.clamp_(0, 1);
    }
  };

  Tensor best, bestLoss;
  for (int restart = 0; restart < options.restarts; ++restart) {
    Tensor moved;
    if (options.randomStart) {
      const double radius = options.epsilon * options.startScale;
      moved = torch::empty_like(images).uniform_(-radius, radius, generator).add_(images);
      if (options.steps == 0) {
        back(moved);
      } else {
        moved.clamp_(0, 1);
      }
    } else {
      moved = images.clone();
    }
    moved.requires_grad_(true);
    for (int step = 0; step < options.steps; ++step) {
      torch::AutoGradMode withGradient(true);
      const Tensor value = loss.perImage(module.forward(moved, mode, loss.exits), labels).sum();
      Tensor gradient = torch::autograd::grad({value}, {moved})[0];
      torch::NoGradGuard noGradient;
      moved.add_(gradient.sign_(), options.stepSize);
      back(moved);
    }
    moved = moved.detach();
    if (options.restarts == 1) return moved;
    keepWorse(moved, lossOf(module, moved, labels, ForwardMode::evaluation(), loss), best, bestLoss);
  }
  return best;
}

Tensor attack(GraphModule& module, const Tensor& images, const Tensor& labels, const AttackOptions& options,
              const AttackForm& form, torch::Generator& generator) {
  const size_t exits = module.exitCount();
  switch (form.kind) {
    case AttackForm::Kind::single:
      return perturb(module, images, labels, options, singleExit(form.exit), generator);
    case AttackForm::Kind::average:
      return perturb(module, images, labels, options, averageOfExits(), generator);
    case AttackForm::Kind::own: {
      const Tensor drawn =
          torch::empty(labels.sizes(), labels.options()).random_(0, static_cast<int64_t>(exits), generator);
      return perturb(module, images, labels, options, ownExit(drawn), generator);
    }
    case AttackForm::Kind::maxAverage:
      break;
  }
  const ExitLoss sum = sumOfExits();
  Tensor best, bestLoss;
  for (size_t k = 0; k < exits; ++k) {
    const Tensor moved = perturb(module, images, labels, options, singleExit(k), generator);
    keepWorse(moved, lossOf(module, moved, labels, forwardMode(options.mode), sum), best, bestLoss);
  }
  return best;
}

}  // namespace rdi::train
