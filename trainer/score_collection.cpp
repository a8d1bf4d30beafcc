// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/score_collection.hpp"

#include <algorithm>
#include <cstring>

#include "trainer/attacks.hpp"

namespace rdi::train {

ScoreTable collectScores(GraphModule& module, const DeviceImages& images,
                         const std::optional<AttackForm>& form, const AttackOptions& options,
                         int64_t batchSize, int64_t limit, torch::Generator& generator,
                         const ImagesDone& done) {
  const int64_t total = limit > 0 ? std::min(limit, images.count()) : images.count();
  ScoreTable table;
  table.exitCount = static_cast<int>(module.exitCount());
  table.count = total;
  for (int64_t first = 0; first < total; first += batchSize) {
    Batch batch = images.range(first, std::min(batchSize, total - first));
    if (form) batch.images = attack(module, batch.images, batch.labels, options, *form, generator);
    torch::NoGradGuard noGradient;
    const std::vector<torch::Tensor> scores = module.forward(batch.images, ForwardMode::evaluation());
    const torch::Tensor stacked =
        torch::stack(scores, 1).to(torch::kCPU).contiguous();  // N x exits x classes
    table.classCount = static_cast<int>(stacked.size(2));
    const float* values = stacked.data_ptr<float>();
    table.values.insert(table.values.end(), values, values + stacked.numel());
    const torch::Tensor labels = batch.labels.to(torch::kCPU, torch::kUInt8).contiguous();
    table.labels.insert(table.labels.end(), labels.data_ptr<uint8_t>(),
                        labels.data_ptr<uint8_t>() + labels.numel());
    if (done) done(first + batch.labels.size(0));
  }
  return table;
}

}  // namespace rdi::train
