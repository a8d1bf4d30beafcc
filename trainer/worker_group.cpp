// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/worker_group.hpp"

namespace rdi::train {

void averageOverParts(WorkerGroup& group, std::vector<torch::Tensor>& values) {
  torch::NoGradGuard noGradient;
  std::vector<torch::Tensor> flat;
  for (const torch::Tensor& value : values)
    if (value.defined()) flat.push_back(value.reshape({-1}));
  torch::Tensor all = torch::cat(flat);
  group.sum(all);
  all /= static_cast<double>(group.size());
  int64_t place = 0;
  for (torch::Tensor& value : values) {
    if (!value.defined()) continue;
    const int64_t count = value.numel();
    value = all.narrow(0, place, count).view(value.sizes());
    place += count;
  }
}

}  // namespace rdi::train
