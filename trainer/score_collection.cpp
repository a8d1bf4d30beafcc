// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/score_collection.hpp"

#include <algorithm>
#include <cstring>

#include "trainer/attacks.hpp"

namespace rdi::train {

std::vector<float> scoresOf(GraphModule& module, const torch::Tensor& images) {
  torch::NoGradGuard noGradient;
  const torch::Tensor scores =
      torch::stack(module.forward(images, ForwardMode::evaluation()), 1).to(torch::kCPU).contiguous();
  return {scores.data_ptr<float>(), scores.data_ptr<float>() + scores.numel()};
}

ScoreTable collectScores(GraphModule& module, const DeviceImages& images,
                         const std::optional<AttackForm>& form, const AttackOptions& options,
                         const graph::ExitRule& rule, int64_t batchSize, int64_t limit,
                         torch::Generator& generator) {
  const int64_t total = limit > 0 ? std::min(limit, images.count()) : images.count();
  ScoreTable table;
  table.exitCount = static_cast<int>(module.exitCount());
  table.count = total;
  for (int64_t first = 0; first < total; first += batchSize) {
    Batch batch = images.range(first, std::min(batchSize, total - first));
    if (form)
      batch.images = attackUnderRule(module, batch.images, batch.labels, options, *form, rule, generator);
    const std::vector<float> values = scoresOf(module, batch.images);
    const auto rows = static_cast<size_t>(batch.labels.size(0) * table.exitCount);
    table.classCount = static_cast<int>(values.size() / rows);
    table.values.insert(table.values.end(), values.begin(), values.end());
    const torch::Tensor labels = batch.labels.to(torch::kCPU, torch::kUInt8).contiguous();
    table.labels.insert(table.labels.end(), labels.data_ptr<uint8_t>(),
                        labels.data_ptr<uint8_t>() + labels.numel());
  }
  return table;
}

}  // namespace rdi::train
