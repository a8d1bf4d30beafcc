// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <vector>

#include "graph/exit_rule.hpp"
#include "trainer/attack_options.hpp"
#include "trainer/device_images.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/row_generator.hpp"
#include "trainer/train_options.hpp"

namespace rdi::train {

/// Attacked images of a batch.
struct AttackedImages {
  std::vector<torch::Tensor> images;  // none, one tensor for all exits, or one for each
};

/// Attacks batches, and makes of the scores the loss that a step follows.
class Defence {
public:
  /// Throws rdi::Error naming the option that makes no sense or does not fit the model. Keeps `module`, and
  /// `teacher`, which may be null: then labels alone are learned from.
  Defence(const TrainOptions& options, GraphModule& module, const torch::Device& device,
          GraphModule* teacher = nullptr);

  /// Whether clean and attacked images are learned from; at least one is.
  bool usesClean() const { return usesClean_; }
  bool usesAttacked() const { return !parts_.empty(); }

  /// Whether an attack cannot be made without the exit rule.
  bool followsRule() const;

  /// Attacked versions of a batch under the rule in force. What form is drawn depends on the seed and the
  /// iteration alone.
  AttackedImages attacked(const Batch& batch, const AttackOptions& attack, const graph::ExitRule& rule,
                          int64_t iteration, const RowGenerator& generator) const;

  struct Loss {
    torch::Tensor value;    // a number, with gradient
    torch::Tensor correct;  // exits x (clean, attacked; those that are used), int64: images answered right
  };

  /// The loss of the batch; `mode` is how the net behaves while the scores are computed.
  Loss lossOf(const Batch& batch, const AttackedImages& attacked, const ForwardMode& mode) const;

private:
  struct Part {
    AttackForm form;
    bool isEach = false;
    double weight = 1;
  };
  using Scores = std::vector<torch::Tensor>;

  const Part& drawn(int64_t iteration) const;
  Scores attackedScores(const AttackedImages& attacked, const ForwardMode& mode) const;
  torch::Tensor targetsOf(const Batch& batch, int64_t classes) const;
  torch::Tensor crossEntropy(const torch::Tensor& scores, const torch::Tensor& targets) const;

  TrainOptions options_;
  GraphModule& module_;
  GraphModule* teacher_;
  std::vector<Part> parts_;
  bool usesClean_ = true;
  torch::Tensor exitWeights_;  // exits
};

}  // namespace rdi::train
