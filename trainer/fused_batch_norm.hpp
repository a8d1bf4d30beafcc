// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <limits>

#include "trainer/operators.hpp"

namespace rdi::train {

/// BatchNormalization and what follows it, over memory once: clip(norm(src) + shortcut, low, high). Networks
/// of few channels spend more time on moving features than on convolving them.
struct BatchNormChain {
  double epsilon = 1e-5;
  double momentum = 0.1;  // weight of the batch in the running statistics
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

/// What a chain reads. `src` and `shortcut` are N x C x H x W, the others of C values.
struct BatchNormInputs {
  torch::Tensor src, scale, bias, runningMean, runningVariance;
  torch::Tensor shortcut;  // undefined: none
};

/// With gradients of the first order for `src`, `scale`, `bias` and `shortcut`; the result is of the type of
/// `src`. One pass where `src` is float32 or BF16 on a CPU, NHWC in memory, and no group shares the batch; else
/// libtorch's operators one after the other, which give the same within rounding.
torch::Tensor batchNormChain(const BatchNormInputs& in, const BatchNormChain& chain, const ForwardMode& mode);

}  // namespace rdi::train
