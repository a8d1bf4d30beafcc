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

constexpr int64_t kLanes = 8;
constexpr int64_t kBlock = 64;  // rows that stay in the first cache while their channels are gone through

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(float)), may_alias));

// The lanes at p; memory need not be aligned.
#define RDI_LANES(p) (*reinterpret_cast<Lanes*>(p))
#define RDI_CONST_LANES(p) (*reinterpret_cast<const Lanes*>(p))

struct Limits {
  float low, high;
};

// Sums over rows of src - origin and of its square, added to sums and squares.
RDI_FOR_EACH_PROCESSOR void addMoments(const float* src, const float* origin, int64_t rows, int64_t channels,
                                       double* sums, double* squares) {
  for (int64_t first = 0; first < rows; first += kBlock) {
    const int64_t last = std::min(rows, first + kBlock);
    for (int64_t c = 0; c < channels; c += kLanes) {
      const Lanes from = RDI_CONST_LANES(origin + c);
      Lanes sum = {}, square = {};
      for (int64_t r = first; r < last; ++r) {
        const Lanes away = RDI_CONST_LANES(src + r * channels + c) - from;
        sum += away;
        square += away * away;
      }
      for (int64_t j = 0; j < kLanes; ++j) {
        sums[c + j] += sum[j];
        squares[c + j] += square[j];
      }
    }
  }
}

// dst = clip(src factor + offset + shortcut)
RDI_FOR_EACH_PROCESSOR void normalize(const float* src, const float* shortcut, const float* factor,
                                      const float* offset, Limits limits, int64_t rows, int64_t channels,
                                      float* dst) {
  const Lanes low = limits.low - Lanes{}, high = limits.high - Lanes{};
  for (int64_t first = 0; first < rows; first += kBlock) {
    const int64_t last = std::min(rows, first + kBlock);
    for (int64_t c = 0; c < channels; c += kLanes) {
      const Lanes scale = RDI_CONST_LANES(factor + c), shift = RDI_CONST_LANES(offset + c);
      for (int64_t r = first; r < last; ++r) {
        const int64_t at = r * channels + c;
        Lanes value = RDI_CONST_LANES(src + at) * scale + shift;
        if (shortcut != nullptr) value += RDI_CONST_LANES(shortcut + at);
        value = value < low ? low : value;
        value = value > high ? high : value;
        RDI_LANES(dst + at) = value;
      }
    }
  }
}

// The gradient that passes the clipping; sums over rows of it, and of it times (src - mean). Written to
// `passed` where that is wanted. What was clipped tells `result`, or where there is none, src again.
RDI_FOR_EACH_PROCESSOR void addGradientMoments(const float* gradient, const float* src, const float* result,
                                               const float* factor, const float* offset, const float* mean,
                                               Limits limits, int64_t rows, int64_t channels, float* passed,
                                               double* sums, double* dots) {
  const Lanes low = limits.low - Lanes{}, high = limits.high - Lanes{}, zero = {};
  for (int64_t first = 0; first < rows; first += kBlock) {
    const int64_t last = std::min(rows, first + kBlock);
    for (int64_t c = 0; c < channels; c += kLanes) {
      const Lanes scale = RDI_CONST_LANES(factor + c), shift = RDI_CONST_LANES(offset + c);
      const Lanes centre = RDI_CONST_LANES(mean + c);
      Lanes sum = {}, dot = {};
      for (int64_t r = first; r < last; ++r) {
        const int64_t at = r * channels + c;
        const Lanes x = RDI_CONST_LANES(src + at);
        const Lanes y = result != nullptr ? RDI_CONST_LANES(result + at) : x * scale + shift;
        Lanes g = RDI_CONST_LANES(gradient + at);
        g = y > low ? g : zero;
        g = y < high ? g : zero;
        if (passed != nullptr) RDI_LANES(passed + at) = g;
        sum += g;
        dot += g * (x - centre);
      }
      for (int64_t j = 0; j < kLanes; ++j) {
        sums[c + j] += sum[j];
        dots[c + j] += dot[j];
      }
    }
  }
}

// dst = gradient factor + src slope + level; `clip`: what was clipped is yet to be taken out of the gradient.
RDI_FOR_EACH_PROCESSOR void passBack(const float* gradient, const float* src, bool clip, const float* factor,
                                     const float* offset, const float* slope, const float* level,
                                     Limits limits, int64_t rows, int64_t channels, float* dst) {
  const Lanes low = limits.low - Lanes{}, high = limits.high - Lanes{}, zero = {};
  for (int64_t first = 0; first < rows; first += kBlock) {
    const int64_t last = std::min(rows, first + kBlock);
    for (int64_t c = 0; c < channels; c += kLanes) {
      const Lanes scale = RDI_CONST_LANES(factor + c), shift = RDI_CONST_LANES(offset + c);
      const Lanes ofSrc = RDI_CONST_LANES(slope + c), constant = RDI_CONST_LANES(level + c);
      for (int64_t r = first; r < last; ++r) {
        const int64_t at = r * channels + c;
        const Lanes x = RDI_CONST_LANES(src + at);
        Lanes g = RDI_CONST_LANES(gradient + at);
        if (clip) {
          const Lanes y = x * scale + shift;
          g = y > low ? g : zero;
          g = y < high ? g : zero;
        }
        RDI_LANES(dst + at) = g * scale + x * ofSrc + constant;
      }
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
      : first(torch::zeros({parts, channels}, torch::kFloat64)), second(torch::zeros_like(first)) {}
  double* firstOf(int64_t part) { return first.data_ptr<double>() + part * first.size(1); }
  double* secondOf(int64_t part) { return second.data_ptr<double>() + part * second.size(1); }
  Tensor first, second;
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
    const Tensor factor = scale.detach().to(torch::kFloat64) * (variance + epsilon).rsqrt();
    const Tensor factors = asFloat(factor);
    const Tensor offsets = asFloat(bias.detach().to(torch::kFloat64) - mean * factor);
    const Limits limits{static_cast<float>(low), static_cast<float>(high)};
    const bool hasShortcut = isDefined(shortcut);
    const Tensor added = hasShortcut ? nhwc(shortcut) : shortcut;
    Tensor dst = torch::empty_like(src);
    const int64_t channels = src.size(1);
    overRows(rowsOf(src), at::get_num_threads(), [&](int64_t, int64_t first, int64_t rows) {
      const int64_t at = first * channels;
      normalize(data(src) + at, hasShortcut ? data(added) + at : nullptr, data(factors), data(offsets),
                limits, rows, channels, dst.data_ptr<float>() + at);
    });
    context->save_for_backward(
        {src, factors, offsets, mean, (variance + epsilon).rsqrt(), hasShortcut ? dst : torch::empty({0})});
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
                           data(factors), data(offsets), data(means), limits, count, channels,
                           hasShortcut ? passed.data_ptr<float>() + at : nullptr, sums.firstOf(part),
                           sums.secondOf(part));
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
               data(factors), data(offsets), data(slopes), data(levels), limits, count, channels,
               ofSrc.data_ptr<float>() + at);
    });
    return {ofSrc,      ofScale,    ofBias,     passed,     Variable(), Variable(),
            Variable(), Variable(), Variable(), Variable(), Variable()};
  }
};

bool fits(const BatchNormInputs& in, const ForwardMode& mode) {
  const Tensor& src = in.src;
  return src.device().is_cpu() && src.scalar_type() == torch::kFloat32 && src.dim() == 4 &&
         src.size(1) % kLanes == 0 && src.numel() > 0 &&
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
        addMoments(data(src) + first * channels, data(origin), count, channels, sums.firstOf(part),
                   sums.secondOf(part));
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
