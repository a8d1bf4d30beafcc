// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/route.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

// As graph::uncertainty, along the last dimension.
Tensor uncertaintyOf(const Tensor& probabilities, graph::Criterion criterion) {
  switch (criterion) {
    case graph::Criterion::entropy:
      return -(probabilities * torch::log(probabilities + 1e-5)).sum(-1);
    case graph::Criterion::maxProbability:
      return 1 - std::get<0>(probabilities.max(-1));
    case graph::Criterion::margin:
      break;
  }
  const Tensor top = std::get<0>(probabilities.topk(2, -1));
  return 1 - (top.select(-1, 0) - top.select(-1, 1));
}

}  // namespace

Tensor fusedAnswers(const std::vector<Tensor>& scores, graph::Fusion fusion) {
  const Tensor all = torch::stack(scores);
  if (fusion == graph::Fusion::last) return all;
  const Tensor counts = torch::arange(1, all.size(0) + 1, all.options()).view({-1, 1, 1});
  return torch::log(
      torch::clamp_min(torch::softmax(all, -1).cumsum(0) / counts, std::numeric_limits<float>::min()));
}

Route::Route(const std::vector<Tensor>& scores, const graph::ExitRule& rule) {
  answers_ = fusedAnswers(scores, rule.fusion);
  const int64_t early = answers_.size(0) - 1;
  const Tensor earlyAnswers = answers_.narrow(0, 0, early);
  uncertainty_ = uncertaintyOf(torch::softmax(earlyAnswers, -1), rule.criterion);
  thresholds_ = torch::tensor(rule.thresholds, torch::kFloat32).to(answers_.device()).view({-1, 1});
  // An exit's run is how many exits in a row, itself the last, answer the same class.
  const Tensor classes = earlyAnswers.detach().argmax(-1);
  mayLeave_ = torch::ones_like(classes, torch::kBool);
  for (int64_t k = 0; k < early; ++k)
    for (int64_t j = 1; j < rule.patience; ++j)
      mayLeave_[k] = j > k ? torch::zeros_like(mayLeave_[k])
                           : torch::logical_and(mayLeave_[k], classes[k] == classes[k - j]);
  mayLeave_ = torch::logical_or(mayLeave_, torch::isinf(thresholds_));
}

Tensor Route::taken() const {
  const int64_t early = uncertainty_.size(0);
  const Tensor leaves = torch::logical_and(uncertainty_.detach() < thresholds_, mayLeave_);
  Tensor taken =
      torch::full({answers_.size(1)}, early, torch::dtype(torch::kInt64).device(answers_.device()));
  for (int64_t k = early - 1; k >= 0; --k) taken.masked_fill_(leaves[k], k);
  return taken;
}

Tensor Route::probabilities(double temperature) const {
  const int64_t early = uncertainty_.size(0);
  const Tensor leaving = torch::sigmoid((thresholds_ - uncertainty_) / temperature) * mayLeave_;
  Tensor staying = torch::ones_like(answers_.select(0, 0).select(-1, 0));
  std::vector<Tensor> result;
  for (int64_t k = 0; k < early; ++k) {
    result.push_back(staying * leaving[k]);
    staying = staying * (1 - leaving[k]);
  }
  result.push_back(staying);
  return torch::stack(result);
}

}  // namespace rdi::train
