// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/fused_batch_norm.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "trainer/shared_batch_norm.hpp"

// One copy of a loop for each generation of processors, chosen when the program starts.
#if defined(__x86_64__) && defined(__has_attribute)
#if __has_attribute(target_clones)
#define RDI_FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#endif
#ifndef RDI_FOR_EACH_PROCESSOR
#define RDI_FOR_EACH_PROCESSOR
#endif

namespace rdi::train {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr int64_t kBlock = 64;  // rows whose sums are taken in float before they are added up in double

struct Limits {
  float low, high;
};

// What the channels of a row have in common.
struct Affine {
  const float *factor, *offset;
};

// Sums over rows of src - origin and of its square, added to sums and squares. All loops here go through
// memory from front to back: rows are whole, and what is known of channels stays in the first cache.
RDI_FOR_EACH_PROCESSOR void addMoments(const float* __restrict src, const float* __restrict origin,
                                       int64_t rows, int64_t channels, float* __restrict scratch,
                                       double* __restrict sums, double* __restrict squares) {
  float* __restrict sum = scratch;
  float* __restrict square = scratch + channels;
  for (int64_t first = 0; first < rows; first += kBlock) {
    std::fill(scratch, scratch + 2 * channels, 0.0F);
    for (int64_t r = first; r < std::min(rows, first + kBlock); ++r) {
      const float* __restrict x = src + r * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float away = x[c] - origin[c];
        sum[c] += away;
        square[c] += away * away;
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += sum[c];
      squares[c] += square[c];
    }
  }
}

// dst = clip(src factor + offset + shortcut); the shortcut may be null.
RDI_FOR_EACH_PROCESSOR void normalize(const float* __restrict src, const float* __restrict shortcut,
                                      Affine affine, Limits limits, int64_t rows, int64_t channels,
                                      float* __restrict dst) {
  const float* __restrict factor = affine.factor;
  const float* __restrict offset = affine.offset;
  const auto clip = [limits](float value) {
    value = value < limits.low ? limits.low : value;
    return value > limits.high ? limits.high : value;
  };
  for (int64_t r = 0; r < rows; ++r) {
    const float* __restrict x = src + r * channels;
    float* __restrict y = dst + r * channels;
    if (shortcut == nullptr) {
      for (int64_t c = 0; c < channels; ++c) y[c] = clip(x[c] * factor[c] + offset[c]);
    } else {
      const float* __restrict added = shortcut + r * channels;
      for (int64_t c = 0; c < channels; ++c) y[c] = clip(x[c] * factor[c] + offset[c] + added[c]);
    }
  }
}

// The gradient that passes the clipping; sums over rows of it, and of it times (src - mean). With a shortcut,
// `result` tells what was clipped and `passed` takes the gradient; without, both are null and src tells.
RDI_FOR_EACH_PROCESSOR void addGradientMoments(const float* __restrict gradient, const float* __restrict src,
                                               const float* __restrict result, Affine affine,
                                               const float* __restrict mean, Limits limits, int64_t rows,
                                               int64_t channels, float* __restrict passed,
                                               float* __restrict scratch, double* __restrict sums,
                                               double* __restrict dots) {
  const float* __restrict factor = affine.factor;
  const float* __restrict offset = affine.offset;
  float* __restrict sum = scratch;
  float* __restrict dot = scratch + channels;
  const auto pass = [limits](float g, float y) { return y > limits.low && y < limits.high ? g : 0.0F; };
  for (int64_t first = 0; first < rows; first += kBlock) {
    std::fill(scratch, scratch + 2 * channels, 0.0F);
    for (int64_t r = first; r < std::min(rows, first + kBlock); ++r) {
      const float* __restrict x = src + r * channels;
      const float* __restrict of = gradient + r * channels;
      if (result == nullptr) {
        for (int64_t c = 0; c < channels; ++c) {
          const float g = pass(of[c], x[c] * factor[c] + offset[c]);
          sum[c] += g;
          dot[c] += g * (x[c] - mean[c]);
        }
      } else {
        const float* __restrict y = result + r * channels;
        float* __restrict dst = passed + r * channels;
        for (int64_t c = 0; c < channels; ++c) {
          const float g = pass(of[c], y[c]);
          dst[c] = g;
          sum[c] += g;
          dot[c] += g * (x[c] - mean[c]);
        }
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += sum[c];
      dots[c] += dot[c];
    }
  }
}

// dst = gradient factor + src slope + level; `clip`: what was clipped is yet to be taken out of the gradient.
RDI_FOR_EACH_PROCESSOR void passBack(const float* __restrict gradient, const float* __restrict src, bool clip,
                                     Affine affine, const float* __restrict slope,
                                     const float* __restrict level, Limits limits, int64_t rows,
                                     int64_t channels, float* __restrict dst) {
  const float* __restrict factor = affine.factor;
  const float* __restrict offset = affine.offset;
  const auto pass = [limits](float g, float y) { return y > limits.low && y < limits.high ? g : 0.0F; };
  for (int64_t r = 0; r < rows; ++r) {
    const float* __restrict x = src + r * channels;
    const float* __restrict of = gradient + r * channels;
    float* __restrict to = dst + r * channels;
    if (clip) {
      for (int64_t c = 0; c < channels; ++c)
        to[c] = pass(of[c], x[c] * factor[c] + offset[c]) * factor[c] + x[c] * slope[c] + level[c];
    } else {
      for (int64_t c = 0; c < channels; ++c) to[c] = of[c] * factor[c] + x[c] * slope[c] + level[c];
    }
  }
}

int64_t rowsOf(const Tensor& features) { return features.numel() / features.size(1); }

// body(part, first row, rows) for equal parts, as many as there are threads: sums come out the same every
// time.
template <typename Body>
void overRows(int64_t rows, int64_t parts, const Body& body) {
  const int64_t each = (rows + parts - 1) / parts;
  at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = std::min(rows, part * each);
      const int64_t count = std::min(rows, first + each) - first;
      if (count > 0) body(part, first, count);
    }
  });
}

// Two sums a channel, each part's apart until the end.
struct Sums {
  Sums(int64_t parts, int64_t channels)
      : first(torch::zeros({parts, channels}, torch::kFloat64)),
        second(torch::zeros_like(first)),
        scratch(torch::empty({parts, 2 * channels})) {}
  double* firstOf(int64_t part) { return first.data_ptr<double>() + part * first.size(1); }
  double* secondOf(int64_t part) { return second.data_ptr<double>() + part * second.size(1); }
  float* scratchOf(int64_t part) { return scratch.data_ptr<float>() + part * scratch.size(1); }
  Tensor first, second;
  Tensor scratch;  // a block's own, in float
};

Tensor asFloat(const Tensor& values) { return values.to(torch::kFloat32).contiguous(); }
const float* data(const Tensor& values) { return values.data_ptr<float>(); }
Tensor nhwc(const Tensor& features) { return features.contiguous(torch::MemoryFormat::ChannelsLast); }

bool isDefined(const Tensor& values) { return values.defined() && values.numel() > 0; }

class Chain : public torch::autograd::Function<Chain> {
public:
  // mean and variance (C doubles) are those that `src` is normalised by; `fromBatch`: they come from it.
  static Tensor forward(AutogradContext* context, const Tensor& src, const Tensor& scale, const Tensor& bias,
                        const Tensor& shortcut, const Tensor& mean, const Tensor& variance, double epsilon,
                        double low, double high, bool fromBatch, bool learns) {
    const Tensor inverse = (variance + epsilon).rsqrt();
    const Tensor factor = scale.detach().to(torch::kFloat64) * inverse;
    const Tensor factors = asFloat(factor);
    const Tensor offsets = asFloat(bias.detach().to(torch::kFloat64) - mean * factor);
    const Limits limits{static_cast<float>(low), static_cast<float>(high)};
    const bool hasShortcut = isDefined(shortcut);
    const Tensor added = hasShortcut ? nhwc(shortcut) : shortcut;
    Tensor dst = torch::empty_like(src);
    const int64_t channels = src.size(1);
    overRows(rowsOf(src), at::get_num_threads(), [&](int64_t, int64_t first, int64_t rows) {
      const int64_t at = first * channels;
      normalize(data(src) + at, hasShortcut ? data(added) + at : nullptr, {data(factors), data(offsets)},
                limits, rows, channels, dst.data_ptr<float>() + at);
    });
    context->save_for_backward({src, factors, offsets, mean, inverse, hasShortcut ? dst : torch::empty({0})});
    context->saved_data["low"] = low;
    context->saved_data["high"] = high;
    context->saved_data["from_batch"] = fromBatch;
    context->saved_data["learns"] = learns;
    return dst;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &src = saved[0], &factors = saved[1], &offsets = saved[2], &mean = saved[3];
    const Tensor &inverse = saved[4], &result = saved[5];
    const Limits limits{static_cast<float>(context->saved_data["low"].toDouble()),
                        static_cast<float>(context->saved_data["high"].toDouble())};
    const bool fromBatch = context->saved_data["from_batch"].toBool();
    const bool learns = context->saved_data["learns"].toBool();
    const bool hasShortcut = isDefined(result);
    const Tensor gradient = nhwc(gradients[0]);
    const int64_t channels = src.size(1), rows = rowsOf(src), parts = at::get_num_threads();

    Tensor passed;  // what the shortcut gets: the gradient behind the clipping
    if (hasShortcut) passed = torch::empty_like(src);
    Tensor ofScale, ofBias;
    Tensor slopes = torch::zeros({channels}), levels = torch::zeros({channels});
    const bool wantsSums = fromBatch || learns || hasShortcut;
    if (wantsSums) {
      const Tensor means = asFloat(mean);
      Sums sums(parts, channels);
      overRows(rows, parts, [&](int64_t part, int64_t first, int64_t count) {
        const int64_t at = first * channels;
        addGradientMoments(data(gradient) + at, data(src) + at, hasShortcut ? data(result) + at : nullptr,
                           {data(factors), data(offsets)}, data(means), limits, count, channels,
                           hasShortcut ? passed.data_ptr<float>() + at : nullptr, sums.scratchOf(part),
                           sums.firstOf(part), sums.secondOf(part));
      });
      const Tensor total = sums.first.sum(0);
      const Tensor dot = (sums.second.sum(0) + (means.to(torch::kFloat64) - mean) * total) * inverse;
      ofBias = total.to(torch::kFloat32);
      ofScale = dot.to(torch::kFloat32);
      if (fromBatch) {
        // d src = factor (g - mean of g - normalised src * mean of g times normalised src)
        const Tensor factor = factors.to(torch::kFloat64);
        const auto count = static_cast<double>(rows);
        const Tensor slope = -factor * inverse * dot / count;
        slopes = asFloat(slope);
        levels = asFloat(-factor * total / count - slope * mean);
      }
    }
    Tensor ofSrc = torch::empty_like(src);
    overRows(rows, parts, [&](int64_t, int64_t first, int64_t count) {
      const int64_t at = first * channels;
      passBack(data(hasShortcut ? passed : gradient) + at, data(src) + at, /*clip=*/!hasShortcut,
               {data(factors), data(offsets)}, data(slopes), data(levels), limits, count, channels,
               ofSrc.data_ptr<float>() + at);
    });
    return {ofSrc,      ofScale,    ofBias,     passed,     Variable(), Variable(),
            Variable(), Variable(), Variable(), Variable(), Variable()};
  }
};

bool fits(const BatchNormInputs& in, const ForwardMode& mode) {
  const Tensor& src = in.src;
  return src.device().is_cpu() && src.scalar_type() == torch::kFloat32 && src.dim() == 4 && src.numel() > 0 &&
         src.is_contiguous(torch::MemoryFormat::ChannelsLast) &&
         !(mode.batchStatistics && mode.group != nullptr) &&
         (!in.shortcut.defined() ||
          (in.shortcut.sizes() == src.sizes() && in.shortcut.scalar_type() == torch::kFloat32)) &&
         in.scale.numel() == src.size(1);
}

Tensor oneAfterTheOther(const BatchNormInputs& in, const BatchNormChain& chain, const ForwardMode& mode) {
  const bool keep = !mode.batchStatistics || mode.updateStatistics;
  const Tensor mean = keep ? in.runningMean : Tensor(), variance = keep ? in.runningVariance : Tensor();
  Tensor result = mode.batchStatistics && mode.group != nullptr
                      ? sharedBatchNorm(in.src, in.scale, in.bias, mean, variance, chain.momentum,
                                        chain.epsilon, *mode.group)
                      : torch::batch_norm(in.src, in.scale, in.bias, mean, variance, mode.batchStatistics,
                                          chain.momentum, chain.epsilon, /*cudnn_enabled=*/true);
  if (in.shortcut.defined()) result = result + in.shortcut;
  const bool above = std::isfinite(chain.low), below = std::isfinite(chain.high);
  if (chain.low == 0 && !below) return torch::relu(result);
  return above || below ? torch::clamp(result, chain.low, chain.high) : result;
}

}  // namespace

Tensor batchNormChain(const BatchNormInputs& in, const BatchNormChain& chain, const ForwardMode& mode) {
  if (!fits(in, mode)) return oneAfterTheOther(in, chain, mode);
  Tensor mean, variance;
  {
    torch::NoGradGuard noGradient;
    if (mode.batchStatistics) {
      const Tensor src = in.src.detach();
      const int64_t channels = src.size(1), rows = rowsOf(src), parts = at::get_num_threads();
      // Counted from the first pixel's values: squares of what is far from zero would lose the digits.
      const Tensor origin = src[0].flatten(1).select(1, 0).contiguous();
      Sums sums(parts, channels);
      overRows(rows, parts, [&](int64_t part, int64_t first, int64_t count) {
        addMoments(data(src) + first * channels, data(origin), count, channels, sums.scratchOf(part),
                   sums.firstOf(part), sums.secondOf(part));
      });
      const auto count = static_cast<double>(rows);
      const Tensor away = sums.first.sum(0) / count;
      mean = origin.to(torch::kFloat64) + away;
      variance = (sums.second.sum(0) / count - away * away).clamp_min_(0);
      if (mode.updateStatistics) {
        in.runningMean.detach().mul_(1 - chain.momentum).add_(mean.to(torch::kFloat32), chain.momentum);
        in.runningVariance.detach()
            .mul_(1 - chain.momentum)
            .add_(variance.to(torch::kFloat32), chain.momentum * count / std::max(count - 1, 1.0));
      }
    } else {
      mean = in.runningMean.detach().to(torch::kFloat64);
      variance = in.runningVariance.detach().to(torch::kFloat64);
    }
  }
  const bool learns = in.scale.requires_grad() || in.bias.requires_grad();
  return Chain::apply(in.src, in.scale, in.bias, in.shortcut.defined() ? in.shortcut : torch::empty({0}),
                      mean, variance, chain.epsilon, double{chain.low}, double{chain.high},
                      mode.batchStatistics, learns);
}

}  // namespace rdi::train
