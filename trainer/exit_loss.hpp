// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <functional>
#include <vector>

#include "graph/exit_rule.hpp"
#include "trainer/attack_options.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/surrogate_loss.hpp"

namespace rdi::train {

/// What an attack wants: all that makes an attack multi-exit. Scores are one N x C tensor an exit; only those
/// in `exits` are defined.
struct Goal {
  using Function = std::function<torch::Tensor(const std::vector<torch::Tensor>& scores, const Aim& aim)>;

  Function loss;              // losses (N) to climb
  ExitSet exits = kAllExits;  // those the loss reads
  Function reached;      // N, int64: how far it got, what Keep::best compares first; absent: the loss alone
  int64_t most = 1;      // of `reached`: such an image is done
  double exitCount = 1;  // losses summed up in `loss`, for StepRule::wrm
};

/// l_k of one exit (0-based) and the mean over exits, of the exits' own scores.
Goal singleExit(size_t k, Surrogate surrogate = Surrogate::crossEntropy);
Goal averageOfExits(Surrogate surrogate = Surrogate::crossEntropy);

/// The goal of any form but max-average against a net that leaves by `rule`: answers are those after fusion,
/// `reached` is 1 where the rule's answer is wrong or, for a slowdown, the exit taken. `generator` draws what
/// the form draws for a batch.
Goal goalOf(const AttackForm& form, const AttackOptions& options, const graph::ExitRule& rule,
            size_t exitCount, torch::Generator& generator);

/// The sum over exits after fusion, which max-average selects by; untargeted where the surrogate aims at a
/// class.
Goal sumUnderRule(const AttackOptions& options, const graph::ExitRule& rule);

}  // namespace rdi::train
