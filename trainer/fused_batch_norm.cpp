// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/fused_batch_norm.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
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
// What such a copy takes into itself, to be compiled for its processor.
#define RDI_INSIDE __attribute__((always_inline)) inline

namespace rdi::train {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr int64_t kBlock = 64;  // rows whose sums are taken in float before they are added up in double

// Features lie in memory as float or as BF16, the upper half of a float; sums and products are of floats.
using Bf16 = uint16_t;

RDI_INSIDE float widen(float value) { return value; }
RDI_INSIDE float widen(Bf16 bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}
RDI_INSIDE void put(float value, float& dst) { dst = value; }
RDI_INSIDE void put(float value, Bf16& dst) {  // to the nearest, of two as near the even one
  uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  dst = static_cast<Bf16>((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16);
}

struct Limits {
  float low, high;
};

// What the channels of a row have in common.
struct Affine {
  const float *factor, *offset;
};

// Sums over rows of src - origin and of its square, added to sums and squares. All loops here go through
// memory from front to back: rows are whole, and what is known of channels stays in the first cache.
template <typename Feature>
RDI_INSIDE void addMomentsOf(const Feature* __restrict src, const float* __restrict origin, int64_t rows,
                             int64_t channels, float* __restrict scratch, double* __restrict sums,
                             double* __restrict squares) {
  float* __restrict sum = scratch;
  float* __restrict square = scratch + channels;
  for (int64_t first = 0; first < rows; first += kBlock) {
    std::fill(scratch, scratch + 2 * channels, 0.0F);
    for (int64_t r = first; r < std::min(rows, first + kBlock); ++r) {
      const Feature* __restrict x = src + r * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float away = widen(x[c]) - origin[c];
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
template <typename Feature>
RDI_INSIDE void normalizeOf(const Feature* __restrict src, const Feature* __restrict shortcut, Affine affine,
                            Limits limits, int64_t rows, int64_t channels, Feature* __restrict dst) {
  const float* __restrict factor = affine.factor;
  const float* __restrict offset = affine.offset;
  const auto clip = [limits](float value) {
    value = value < limits.low ? limits.low : value;
    return value > limits.high ? limits.high : value;
  };
  for (int64_t r = 0; r < rows; ++r) {
    const Feature* __restrict x = src + r * channels;
    Feature* __restrict y = dst + r * channels;
    if (shortcut == nullptr) {
      for (int64_t c = 0; c < channels; ++c) put(clip(widen(x[c]) * factor[c] + offset[c]), y[c]);
    } else {
      const Feature* __restrict added = shortcut + r * channels;
      for (int64_t c = 0; c < channels; ++c)
        put(clip(widen(x[c]) * factor[c] + offset[c] + widen(added[c])), y[c]);
    }
  }
}

// The gradient that passes the clipping; sums over rows of it, and of it times (src - mean). With a shortcut,
// `result` tells what was clipped and `passed` takes the gradient; without, both are null and src tells.
template <typename Feature>
RDI_INSIDE void addGradientMomentsOf(const Feature* __restrict gradient, const Feature* __restrict src,
                                     const Feature* __restrict result, Affine affine,
                                     const float* __restrict mean, Limits limits, int64_t rows,
                                     int64_t channels, Feature* __restrict passed, float* __restrict scratch,
                                     double* __restrict sums, double* __restrict dots) {
  const float* __restrict factor = affine.factor;
  const float* __restrict offset = affine.offset;
  float* __restrict sum = scratch;
  float* __restrict dot = scratch + channels;
  const auto pass = [limits](float g, float y) { return y > limits.low && y < limits.high ? g : 0.0F; };
  for (int64_t first = 0; first < rows; first += kBlock) {
    std::fill(scratch, scratch + 2 * channels, 0.0F);
    for (int64_t r = first; r < std::min(rows, first + kBlock); ++r) {
      const Feature* __restrict x = src + r * channels;
      const Feature* __restrict of = gradient + r * channels;
      if (result == nullptr) {
        for (int64_t c = 0; c < channels; ++c) {
          const float value = widen(x[c]);
          const float g = pass(widen(of[c]), value * factor[c] + offset[c]);
          sum[c] += g;
          dot[c] += g * (value - mean[c]);
        }
      } else {
        const Feature* __restrict y = result + r * channels;
        Feature* __restrict dst = passed + r * channels;
        for (int64_t c = 0; c < channels; ++c) {
          const float g = pass(widen(of[c]), widen(y[c]));
          put(g, dst[c]);
          sum[c] += g;
          dot[c] += g * (widen(x[c]) - mean[c]);
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
template <typename Feature>
RDI_INSIDE void passBackOf(const Feature* __restrict gradient, const Feature* __restrict src, bool clip,
                           Affine affine, const float* __restrict slope, const float* __restrict level,
                           Limits limits, int64_t rows, int64_t channels, Feature* __restrict dst) {
  const float* __restrict factor = affine.factor;
  const float* __restrict offset = affine.offset;
  const auto pass = [limits](float g, float y) { return y > limits.low && y < limits.high ? g : 0.0F; };
  for (int64_t r = 0; r < rows; ++r) {
    const Feature* __restrict x = src + r * channels;
    const Feature* __restrict of = gradient + r * channels;
    Feature* __restrict to = dst + r * channels;
    if (clip) {
      for (int64_t c = 0; c < channels; ++c) {
        const float value = widen(x[c]);
        const float g = pass(widen(of[c]), value * factor[c] + offset[c]);
        put(g * factor[c] + value * slope[c] + level[c], to[c]);
      }
    } else {
      for (int64_t c = 0; c < channels; ++c)
        put(widen(of[c]) * factor[c] + widen(x[c]) * slope[c] + level[c], to[c]);
    }
  }
}

// The loops for both kinds of features, for each processor.
#define RDI_LOOPS(Feature)                                                                                   \
  RDI_FOR_EACH_PROCESSOR void addMoments(const Feature* src, const float* origin, int64_t rows,              \
                                         int64_t channels, float* scratch, double* sums, double* squares) {  \
    addMomentsOf(src, origin, rows, channels, scratch, sums, squares);                                       \
  }                                                                                                          \
  RDI_FOR_EACH_PROCESSOR void normalize(const Feature* src, const Feature* shortcut, Affine affine,          \
                                        Limits limits, int64_t rows, int64_t channels, Feature* dst) {       \
    normalizeOf(src, shortcut, affine, limits, rows, channels, dst);                                         \
  }                                                                                                          \
  RDI_FOR_EACH_PROCESSOR void addGradientMoments(                                                            \
      const Feature* gradient, const Feature* src, const Feature* result, Affine affine, const float* mean,  \
      Limits limits, int64_t rows, int64_t channels, Feature* passed, float* scratch, double* sums,          \
      double* dots) {                                                                                        \
    addGradientMomentsOf(gradient, src, result, affine, mean, limits, rows, channels, passed, scratch, sums, \
                         dots);                                                                              \
  }                                                                                                          \
  RDI_FOR_EACH_PROCESSOR void passBack(const Feature* gradient, const Feature* src, bool clip,               \
                                       Affine affine, const float* slope, const float* level, Limits limits, \
                                       int64_t rows, int64_t channels, Feature* dst) {                       \
    passBackOf(gradient, src, clip, affine, slope, level, limits, rows, channels, dst);                      \
  }
RDI_LOOPS(float)
RDI_LOOPS(Bf16)
#undef RDI_LOOPS

// body(Feature()) for the type that features lie in memory as.
template <typename Body>
void withTypeOf(const Tensor& features, const Body& body) {
  if (features.scalar_type() == torch::kBFloat16)
    body(Bf16());
  else
    body(float());
}

// Where there are few channels several rows are taken as one, of as many more channels, as loops over few
// are mostly their beginnings and ends: `copies` rows of `channels`, `rows` times.
struct Rows {
  explicit Rows(const Tensor& features) : channels(features.size(1)), count(features.numel() / channels) {
    while (count % 2 == 0 && channels < kLong) {
      count /= 2;
      channels *= 2;
      copies *= 2;
    }
  }
  // What the channels have in common, for each copy.
  Tensor forEach(const Tensor& values) const { return copies == 1 ? values : values.repeat({copies}); }
  // Sums over the parts and the copies.
  Tensor sumOf(const Tensor& sums) const { return sums.view({-1, channels / copies}).sum(0); }
  int64_t all() const { return count * copies; }

  static constexpr int64_t kLong = 256;
  int64_t channels, count;
  int64_t copies = 1;
};

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
// The row `first` of features that lie in memory as `Feature`.
template <typename Feature>
Feature* row(const Tensor& features, const Rows& rows, int64_t first) {
  return static_cast<Feature*>(features.data_ptr()) + first * rows.channels;
}
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
    const Rows rows(src);
    const Tensor factors = rows.forEach(asFloat(factor));
    const Tensor offsets = rows.forEach(asFloat(bias.detach().to(torch::kFloat64) - mean * factor));
    const Limits limits{static_cast<float>(low), static_cast<float>(high)};
    const bool hasShortcut = isDefined(shortcut);
    const Tensor added = hasShortcut ? nhwc(shortcut) : shortcut;
    Tensor dst = torch::empty_like(src);
    withTypeOf(src, [&](auto type) {
      using Feature = decltype(type);
      overRows(rows.count, at::get_num_threads(), [&](int64_t, int64_t first, int64_t count) {
        normalize(row<Feature>(src, rows, first), hasShortcut ? row<Feature>(added, rows, first) : nullptr,
                  {data(factors), data(offsets)}, limits, count, rows.channels,
                  row<Feature>(dst, rows, first));
      });
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
    const Rows rows(src);
    const int64_t parts = at::get_num_threads();

    Tensor passed;  // what the shortcut gets: the gradient behind the clipping
    if (hasShortcut) passed = torch::empty_like(src);
    Tensor ofScale, ofBias;
    Tensor slopes = torch::zeros({rows.channels}), levels = slopes;
    const bool wantsSums = fromBatch || learns || hasShortcut;
    if (wantsSums) {
      const Tensor means = asFloat(mean), everyMean = rows.forEach(means);
      Sums sums(parts, rows.channels);
      withTypeOf(src, [&](auto type) {
        using Feature = decltype(type);
        overRows(rows.count, parts, [&](int64_t part, int64_t first, int64_t count) {
          addGradientMoments(row<Feature>(gradient, rows, first), row<Feature>(src, rows, first),
                             hasShortcut ? row<Feature>(result, rows, first) : nullptr,
                             {data(factors), data(offsets)}, data(everyMean), limits, count, rows.channels,
                             hasShortcut ? row<Feature>(passed, rows, first) : nullptr, sums.scratchOf(part),
                             sums.firstOf(part), sums.secondOf(part));
        });
      });
      const Tensor total = rows.sumOf(sums.first);
      const Tensor dot = (rows.sumOf(sums.second) + (means.to(torch::kFloat64) - mean) * total) * inverse;
      ofBias = total.to(torch::kFloat32);
      ofScale = dot.to(torch::kFloat32);
      if (fromBatch) {
        // d src = factor (g - mean of g - normalised src * mean of g times normalised src)
        const Tensor factor = factors.narrow(0, 0, src.size(1)).to(torch::kFloat64);
        const auto count = static_cast<double>(rows.all());
        const Tensor slope = -factor * inverse * dot / count;
        slopes = rows.forEach(asFloat(slope));
        levels = rows.forEach(asFloat(-factor * total / count - slope * mean));
      }
    }
    Tensor ofSrc = torch::empty_like(src);
    withTypeOf(src, [&](auto type) {
      using Feature = decltype(type);
      overRows(rows.count, parts, [&](int64_t, int64_t first, int64_t count) {
        passBack(row<Feature>(hasShortcut ? passed : gradient, rows, first), row<Feature>(src, rows, first),
                 /*clip=*/!hasShortcut, {data(factors), data(offsets)}, data(slopes), data(levels), limits,
                 count, rows.channels, row<Feature>(ofSrc, rows, first));
      });
    });
    return {ofSrc,      ofScale,    ofBias,     passed,     Variable(), Variable(),
            Variable(), Variable(), Variable(), Variable(), Variable()};
  }
};

bool fits(const BatchNormInputs& in, const ForwardMode& mode) {
  const Tensor& src = in.src;
  const bool isKnown = src.scalar_type() == torch::kFloat32 || src.scalar_type() == torch::kBFloat16;
  return src.device().is_cpu() && isKnown && src.dim() == 4 && src.numel() > 0 &&
         src.is_contiguous(torch::MemoryFormat::ChannelsLast) &&
         !(mode.batchStatistics && mode.group != nullptr) &&
         (!in.shortcut.defined() || in.shortcut.sizes() == src.sizes()) && in.scale.numel() == src.size(1) &&
         in.scale.scalar_type() == torch::kFloat32;
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
      const Rows rows(src);
      const int64_t parts = at::get_num_threads();
      // Counted from the first pixel's values: squares of what is far from zero would lose the digits.
      const Tensor origin = asFloat(src[0].flatten(1).select(1, 0)), everyOrigin = rows.forEach(origin);
      Sums sums(parts, rows.channels);
      withTypeOf(src, [&](auto type) {
        using Feature = decltype(type);
        overRows(rows.count, parts, [&](int64_t part, int64_t first, int64_t count) {
          addMoments(row<Feature>(src, rows, first), data(everyOrigin), count, rows.channels,
                     sums.scratchOf(part), sums.firstOf(part), sums.secondOf(part));
        });
      });
      const auto count = static_cast<double>(rows.all());
      const Tensor away = rows.sumOf(sums.first) / count;
      mean = origin.to(torch::kFloat64) + away;
      variance = (rows.sumOf(sums.second) / count - away * away).clamp_min_(0);
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
  const Tensor shortcut = in.shortcut.defined() ? in.shortcut.to(in.src.scalar_type()) : torch::empty({0});
  return Chain::apply(in.src, in.scale, in.bias, shortcut, mean, variance, chain.epsilon, double{chain.low},
                      double{chain.high}, mode.batchStatistics, learns);
}

}  // namespace rdi::train
