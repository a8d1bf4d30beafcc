// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <optional>

#include "graph/exit_rule.hpp"
#include "trainer/attack_options.hpp"
#include "trainer/device_images.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/score_table.hpp"

namespace rdi::train {

/// Logits of every exit in evaluation mode: count x exits x classes.
std::vector<float> scoresOf(GraphModule& module, const torch::Tensor& images);

/// Scores of the first `limit` images (all when 0), attacked under the rule when a form is given, computed in
/// evaluation mode.
ScoreTable collectScores(GraphModule& module, const DeviceImages& images,
                         const std::optional<AttackForm>& form, const AttackOptions& options,
                         const graph::ExitRule& rule, int64_t batchSize, int64_t limit,
                         torch::Generator& generator);

}  // namespace rdi::train
