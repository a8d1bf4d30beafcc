// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/surrogate_loss.hpp"

#include "graph/error.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

constexpr double kTiny = 1e-12;  // no division by zero where all scores are equal

Tensor at(const Tensor& answers, const Tensor& classes) {
  return answers.gather(1, classes.unsqueeze(1)).squeeze(1);
}

void needClasses(const Tensor& answers, int64_t least, const char* name) {
  if (answers.size(1) < least)
    throw Error(text("surrogate ", name, " compares ", least, " classes, the model has ", answers.size(1),
                     "; use ce or margin"));
}

Tensor margin(const Tensor& answers, const Tensor& labels) {
  const Tensor others = answers.scatter(1, labels.unsqueeze(1), -std::numeric_limits<double>::infinity());
  return std::get<0>(others.max(1)) - at(answers, labels);
}

}  // namespace

Aim Aim::pick(const Tensor& rows) const {
  const auto part = [&](const Tensor& all) { return all.defined() ? all.index_select(0, rows) : all; };
  return {part(labels), part(other), part(exit),
          reference.defined() ? reference.index_select(1, rows) : reference};
}

Tensor surrogateLoss(const Tensor& answers, const Aim& aim, Surrogate surrogate) {
  switch (surrogate) {
    case Surrogate::crossEntropy:
      return torch::cross_entropy_loss(answers, aim.labels, {}, at::Reduction::None);
    case Surrogate::margin:
      return margin(answers, aim.labels);
    case Surrogate::dlr: {
      needClasses(answers, 3, "dlr");
      const Tensor top = std::get<0>(answers.topk(3, 1));
      return margin(answers, aim.labels) / (top.select(1, 0) - top.select(1, 2) + kTiny);
    }
    case Surrogate::divergence:
      return (torch::exp(aim.reference) * (aim.reference - torch::log_softmax(answers, -1))).sum(-1);
    case Surrogate::targetedDlr:
      break;
  }
  needClasses(answers, 4, "targeted-dlr");
  const Tensor top = std::get<0>(answers.topk(4, 1));
  const Tensor spread = top.select(1, 0) - (top.select(1, 2) + top.select(1, 3)) / 2;
  return (at(answers, aim.other) - at(answers, aim.labels)) / (spread + kTiny);
}

Tensor wrongClass(const Tensor& answers, const Tensor& labels, int64_t rank) {
  const Tensor others = answers.scatter(1, labels.unsqueeze(1), -std::numeric_limits<double>::infinity());
  return std::get<1>(others.topk(rank + 1, 1)).select(1, rank);
}

}  // namespace rdi::train
