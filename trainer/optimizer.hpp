// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <vector>

namespace rdi::train {

/// Stochastic gradient descent with momentum and weight decay (on all parameters, as the paper's code does):
/// v = momentum v + g + decay w; w = w - rate v. A handful of operators whatever the number of parameters.
class Sgd {
public:
  Sgd(std::vector<torch::Tensor> parameters, double momentum, double weightDecay);

  /// One step along `gradients`, one for each parameter; an undefined one counts as zero.
  void step(const std::vector<torch::Tensor>& gradients, double learningRate);

  const std::vector<torch::Tensor>& velocities() const { return velocities_; }

private:
  std::vector<torch::Tensor> parameters_, velocities_;
  double momentum_, weightDecay_;
};

/// Exponential moving average of weights, and running statistics; early on it follows faster.
class MovingAverage {
public:
  MovingAverage(std::vector<torch::Tensor> weights, double decay);

  /// `iteration` counts from 0.
  void update(int64_t iteration);

  /// Exchanges the averages with the weights; the second call undoes the first, bit for bit.
  void swap();

  const std::vector<torch::Tensor>& averages() const { return averages_; }

private:
  std::vector<torch::Tensor> weights_, averages_;
  double decay_;
};

}  // namespace rdi::train
