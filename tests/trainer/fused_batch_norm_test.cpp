// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/fused_batch_norm.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <vector>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

struct Case {
  int64_t channels, size, batch;
  bool shortcut, batchStatistics;
  float low, high;
};

constexpr float kNone = std::numeric_limits<float>::infinity();

struct Found {
  Tensor result, ofSrc, ofScale, ofBias, ofShortcut, mean, variance;
};

// The chain and its gradients; `layout` decides which way it is computed. `type` is what the features lie in
// memory as, after they were rounded to BF16 where `rounded`.
Found runChain(const Case& c, torch::MemoryFormat layout, torch::ScalarType type = torch::kFloat32,
               bool rounded = false) {
  torch::manual_seed(5);
  const auto random = [](std::vector<int64_t> shape) { return torch::randn(shape); };
  const auto features = [&](const Tensor& values) {
    const Tensor known = rounded ? values.to(torch::kBFloat16) : values;
    return known.to(type).contiguous(layout).requires_grad_();
  };
  BatchNormInputs in;
  in.src = features(random({c.batch, c.channels, c.size, c.size}) * 2 + 3);
  in.scale = (random({c.channels}) + 1).requires_grad_();
  in.bias = random({c.channels}).requires_grad_();
  in.runningMean = random({c.channels});
  in.runningVariance = torch::rand({c.channels}) + 0.5;
  const Tensor shortcut = features(random({c.batch, c.channels, c.size, c.size}));
  if (c.shortcut) in.shortcut = shortcut;
  BatchNormChain chain;
  chain.low = c.low;
  chain.high = c.high;
  chain.momentum = 0.3;
  ForwardMode mode;
  mode.batchStatistics = mode.updateStatistics = c.batchStatistics;
  Found found;
  found.result = batchNormChain(in, chain, mode);
  Tensor weights = random({c.batch, c.channels, c.size, c.size});
  if (rounded) weights = weights.to(torch::kBFloat16).to(type);
  std::vector<Tensor> wanted = {in.src, in.scale, in.bias};
  if (c.shortcut) wanted.push_back(shortcut);
  const auto gradients = torch::autograd::grad({(found.result * weights).sum()}, wanted);
  found.ofSrc = gradients[0];
  found.ofScale = gradients[1];
  found.ofBias = gradients[2];
  if (c.shortcut) found.ofShortcut = gradients[3];
  found.mean = in.runningMean;
  found.variance = in.runningVariance;
  return found;
}

void expectClose(const Tensor& found, const Tensor& expected, const char* what) {
  ASSERT_EQ(found.defined(), expected.defined()) << what;
  if (!found.defined()) return;
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  const double worst = (found - expected).abs().max().item<double>();
  EXPECT_LE(worst, 2e-5 * (1 + expected.abs().max().item<double>())) << what;
}

// Of one layout libtorch's operators, of the other the fused loops.
TEST(FusedBatchNorm, GivesResultsGradientsAndStatisticsOfTheOperatorsItReplaces) {
  const std::vector<std::pair<float, float>> limits = {{-kNone, kNone}, {0, kNone}, {0, 1.5F}};
  for (const int64_t channels : {8, 10, 24, 32})
    for (const int64_t size : {1, 5, 9})
      for (const bool shortcut : {false, true})
        for (const bool batchStatistics : {false, true})
          for (const auto& [low, high] : limits) {
            const Case c{channels, size, 3, shortcut, batchStatistics, low, high};
            SCOPED_TRACE(text(channels, " channels of ", size, ", shortcut ", shortcut, ", batch statistics ",
                              batchStatistics, ", from ", low, " to ", high));
            const Found plain = runChain(c, torch::MemoryFormat::Contiguous);
            const Found fused = runChain(c, torch::MemoryFormat::ChannelsLast);
            expectClose(fused.result, plain.result, "result");
            expectClose(fused.ofSrc, plain.ofSrc, "gradient of src");
            expectClose(fused.ofScale, plain.ofScale, "gradient of scale");
            expectClose(fused.ofBias, plain.ofBias, "gradient of bias");
            expectClose(fused.ofShortcut, plain.ofShortcut, "gradient of shortcut");
            expectClose(fused.mean, plain.mean, "running mean");
            expectClose(fused.variance, plain.variance, "running variance");
          }
}

// Share of the values in BF16 that are further from the float32 ones than rounding and one place more
// explain.
double shareFar(const Tensor& narrow, const Tensor& wide) {
  const Tensor far = (narrow.to(torch::kFloat32) - wide).abs() > wide.abs() / 128 + 1e-6;
  return far.to(torch::kFloat64).mean().item<double>();
}

TEST(FusedBatchNorm, FeaturesInBf16GiveWhatFloat32GivesRounded) {
  const auto layout = torch::MemoryFormat::ChannelsLast;
  for (const int64_t channels : {8, 24, 320})
    for (const int64_t size : {1, 9})
      for (const bool shortcut : {false, true})
        for (const bool batchStatistics : {false, true}) {
          const Case c{channels, size, 3, shortcut, batchStatistics, 0, 6};
          SCOPED_TRACE(text(channels, " channels of ", size, ", shortcut ", shortcut, ", batch statistics ",
                            batchStatistics));
          const Found wide = runChain(c, layout, torch::kFloat32, /*rounded=*/true);
          const Found narrow = runChain(c, layout, torch::kBFloat16, /*rounded=*/true);
          ASSERT_EQ(narrow.result.scalar_type(), torch::kBFloat16);
          ASSERT_EQ(narrow.ofSrc.scalar_type(), torch::kBFloat16);
          EXPECT_EQ(shareFar(narrow.result, wide.result), 0);
          expectClose(narrow.mean, wide.mean, "running mean");
          expectClose(narrow.variance, wide.variance, "running variance");
          // The result tells what the shortcut's addition clipped: what was rounded to a limit counts as
          // clipped.
          const double mayDiffer = shortcut ? 0.01 : 0;
          EXPECT_LE(shareFar(narrow.ofSrc, wide.ofSrc), mayDiffer);
          if (shortcut)
            EXPECT_LE(shareFar(narrow.ofShortcut, wide.ofShortcut), mayDiffer);
          else
            expectClose(narrow.ofScale, wide.ofScale, "gradient of scale");
        }
}

TEST(FusedBatchNorm, NotANumberStaysOneInBf16) {
  BatchNormInputs in;
  in.src = torch::full({1, 8, 2, 2}, std::numeric_limits<float>::quiet_NaN())
               .to(torch::kBFloat16)
               .contiguous(torch::MemoryFormat::ChannelsLast);
  in.scale = in.runningVariance = torch::ones({8});
  in.bias = in.runningMean = torch::zeros({8});
  EXPECT_TRUE(torch::isnan(batchNormChain(in, {}, {})).all().item<bool>());
}

TEST(FusedBatchNorm, ChannelsThatAreNoMultipleOfTheLanesTakeTheOtherWay) {
  const Case c{6, 4, 2, true, true, 0, kNone};
  expectClose(runChain(c, torch::MemoryFormat::ChannelsLast).ofSrc,
              runChain(c, torch::MemoryFormat::Contiguous).ofSrc, "gradient of src");
}

// Far from zero the mean of squares minus the squared mean has no digits left in float32.
TEST(FusedBatchNorm, StatisticsOfFeaturesFarFromZeroKeepTheirDigits) {
  BatchNormInputs in;
  torch::manual_seed(3);
  in.src = (torch::randn({16, 8, 10, 10}) * 0.5 + 4000).contiguous(torch::MemoryFormat::ChannelsLast);
  in.scale = torch::ones({8});
  in.bias = torch::zeros({8});
  in.runningMean = torch::zeros({8});
  in.runningVariance = torch::ones({8});
  const Tensor result = batchNormChain(in, {}, {/*batchStatistics=*/true});
  EXPECT_NEAR(result.mean().item<double>(), 0, 1e-3);
  EXPECT_NEAR(result.var(0, /*unbiased=*/false, /*keepdim=*/false).mean().item<double>(), 1, 0.1);
  EXPECT_NEAR(result.std().item<double>(), 1, 2e-3);
}

TEST(FusedBatchNorm, NotANumberIsNotClippedAway) {
  BatchNormInputs in;
  in.src = torch::full({1, 8, 2, 2}, std::numeric_limits<float>::quiet_NaN())
               .contiguous(torch::MemoryFormat::ChannelsLast);
  in.scale = in.runningVariance = torch::ones({8});
  in.bias = in.runningMean = torch::zeros({8});
  BatchNormChain relu;
  relu.low = 0;
  EXPECT_TRUE(torch::isnan(batchNormChain(in, relu, {})).all().item<bool>());
}

TEST(FusedBatchNorm, AnyNumberOfThreadsGivesTheSameAndOneNumberTheSameBits) {
  const Case c{16, 9, 5, true, true, 0, kNone};
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Found one = runChain(c, torch::MemoryFormat::ChannelsLast);
  at::set_num_threads(3);
  const Found three = runChain(c, torch::MemoryFormat::ChannelsLast);
  const Found again = runChain(c, torch::MemoryFormat::ChannelsLast);
  at::set_num_threads(before);
  expectClose(three.ofSrc, one.ofSrc, "gradient of src");
  expectClose(three.ofScale, one.ofScale, "gradient of scale");
  EXPECT_TRUE(torch::equal(three.ofSrc, again.ofSrc));
  EXPECT_TRUE(torch::equal(three.ofScale, again.ofScale));
}

}  // namespace
}  // namespace rdi::train
