// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/shared_batch_norm.hpp"

#include <array>
#include <tuple>

namespace rdi::train {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// One value a channel, to be combined with N x C x ...
Tensor alongChannels(const Tensor& values, const Tensor& like) {
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[1] = values.size(0);
  return values.to(like.scalar_type()).view(shape);
}

// Normalises with the given mean and variance. The gradient knows that they come from the batch.
class Normalize : public torch::autograd::Function<Normalize> {
public:
  static Tensor forward(AutogradContext* context, const Tensor& src, const Tensor& scale, const Tensor& bias,
                        const Tensor& mean, const Tensor& variance, double epsilon, int64_t group) {
    context->save_for_backward({src, scale, mean, variance});
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["group"] = group;
    return torch::batch_norm(src, scale, bias, mean, variance, /*training=*/false, /*momentum=*/0, epsilon,
                             /*cudnn_enabled=*/true);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &src = saved[0], &scale = saved[1], &mean = saved[2], &variance = saved[3];
    const double epsilon = context->saved_data["epsilon"].toDouble();
    auto& group = *reinterpret_cast<WorkerGroup*>(context->saved_data["group"].toInt());
    const Tensor& dst = gradients[0];
    // As if the statistics were constants: what scale and bias get is right, and is all that is needed to see
    // how the statistics answer for the source.
    const auto [ignored, ofScale, ofBias] =
        at::native_batch_norm_backward(dst, src, scale, mean, variance, {}, {}, /*train=*/false, epsilon,
                                       std::array<bool, 3>{false, true, true});
    Tensor sums = torch::cat({ofScale, ofBias}).to(torch::kFloat64);
    group.sum(sums);
    const int64_t channels = src.size(1);
    const auto count = static_cast<double>(src.numel() / channels * group.size());
    const Tensor meanOfScale = sums.narrow(0, 0, channels) / count;
    const Tensor meanOfBias = sums.narrow(0, channels, channels) / count;
    const Tensor inverse = (variance.to(torch::kFloat64) + epsilon).rsqrt();
    const Tensor factor = inverse * scale;  // d = factor (dst - meanOfBias - normalised meanOfScale)
    const Tensor slope = -factor * inverse * meanOfScale;
    const Tensor offset = -factor * meanOfBias - slope * mean;
    const Tensor ofSrc = (dst * alongChannels(factor, src))
                             .addcmul_(src, alongChannels(slope, src))
                             .add_(alongChannels(offset, src));
    return {ofSrc, ofScale, ofBias, Variable(), Variable(), Variable(), Variable()};
  }
};

}  // namespace

Tensor sharedBatchNorm(const Tensor& src, const Tensor& scale, const Tensor& bias, const Tensor& runningMean,
                       const Tensor& runningVariance, double momentum, double epsilon, WorkerGroup& group) {
  Tensor mean, variance;
  const int64_t channels = src.size(1);
  {
    torch::NoGradGuard noGradient;
    const auto [ownMean, ownVariance] = at::batch_norm_update_stats(src.detach(), {}, {}, /*momentum=*/0);
    // In double: the mean square minus the squared mean would lose the digits of float32.
    const Tensor wideMean = ownMean.to(torch::kFloat64);
    Tensor sums = torch::cat({wideMean, ownVariance.to(torch::kFloat64) + wideMean * wideMean});
    group.sum(sums);
    sums /= static_cast<double>(group.size());
    const Tensor all = sums.narrow(0, 0, channels);
    const Tensor spread = (sums.narrow(0, channels, channels) - all * all).clamp_min_(0);
    mean = all.to(torch::kFloat32);
    variance = spread.to(torch::kFloat32);
    if (runningMean.defined()) {
      const auto count = static_cast<double>(src.numel() / channels * group.size());
      runningMean.detach().mul_(1 - momentum).add_(mean, momentum);
      runningVariance.detach().mul_(1 - momentum).add_(variance, momentum * count / (count - 1));
    }
  }
  return Normalize::apply(src, scale, bias, mean, variance, epsilon, reinterpret_cast<int64_t>(&group));
}

}  // namespace rdi::train
