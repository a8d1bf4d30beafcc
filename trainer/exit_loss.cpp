// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/exit_loss.hpp"

namespace rdi::train {
namespace {

torch::Tensor crossEntropy(const torch::Tensor& scores, const torch::Tensor& labels) {
  return torch::cross_entropy_loss(scores, labels, {}, at::Reduction::None);
}

// (exits, N): all exits as one long batch, for few operators a step.
torch::Tensor crossEntropies(const std::vector<torch::Tensor>& scores, const torch::Tensor& labels) {
  const auto exits = static_cast<int64_t>(scores.size());
  return crossEntropy(torch::cat(scores), labels.repeat({exits})).view({exits, labels.size(0)});
}

}  // namespace

ExitLoss singleExit(size_t k) {
  return {[k](const std::vector<torch::Tensor>& scores, const torch::Tensor& labels) {
            return crossEntropy(scores[k], labels);
          },
          onlyExit(k)};
}

ExitLoss averageOfExits() {
  return {[](const std::vector<torch::Tensor>& scores, const torch::Tensor& labels) {
            return crossEntropies(scores, labels).mean(0);
          },
          kAllExits};
}

ExitLoss sumOfExits() {
  return {[](const std::vector<torch::Tensor>& scores, const torch::Tensor& labels) {
            return crossEntropies(scores, labels).sum(0);
          },
          kAllExits};
}

ExitLoss ownExit(const torch::Tensor& drawn) {
  const torch::Tensor rows = drawn * drawn.size(0) + torch::arange(drawn.size(0), drawn.options());
  return {[rows](const std::vector<torch::Tensor>& scores, const torch::Tensor& labels) {
            return crossEntropy(torch::cat(scores).index_select(0, rows), labels);
          },
          kAllExits};
}

}  // namespace rdi::train
