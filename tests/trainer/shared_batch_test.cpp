// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <gtest/gtest.h>

#include "trainer/row_generator.hpp"
#include "trainer/shared_batch_norm.hpp"
#include "trainer/torch_compat.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

// A group in which everybody holds the same rows: what the others add is what we give.
class Mirrors : public WorkerGroup {
public:
  explicit Mirrors(int64_t size) : WorkerGroup(0, size) {}
  void sum(Tensor& tensor) override { tensor.mul_(static_cast<double>(size())); }
  std::string share(const std::string&, const std::string& bytes) override { return bytes; }
  void meet(const std::string&, const std::string&) override {}
};

TEST(SharedBatchNorm, IsTheBatchNormalizationOfAllRowsTogether) {
  torch::manual_seed(1);
  for (const bool channelsLast : {false, true})
    for (const int64_t size : {1, 3}) {
      Tensor own = torch::randn({4, 5, 6, 7}) * 3 + 100;  // a mean far from 0 costs digits
      if (channelsLast) own = own.contiguous(torch::MemoryFormat::ChannelsLast);
      const Tensor weights = torch::rand({4, 5, 6, 7});
      const auto leaf = [](const Tensor& tensor) { return tensor.detach().clone().requires_grad_(true); };
      const Tensor src = leaf(own), scale = leaf(torch::rand({5}) + 0.5), bias = leaf(torch::randn({5}));
      const Tensor mean = torch::rand({5}), variance = torch::rand({5}) + 1;
      Mirrors group(size);
      const Tensor dst = sharedBatchNorm(src, scale, bias, mean, variance, 0.1, 1e-5, group);
      (dst * weights).sum().backward();

      const std::vector<Tensor> copies(static_cast<size_t>(size), own);
      const Tensor all = leaf(torch::cat(copies)), scale2 = leaf(scale), bias2 = leaf(bias);
      torch::manual_seed(1);
      const Tensor mean2 = mean.clone(), variance2 = variance.clone();
      Tensor mean0 = mean.clone(), variance0 = variance.clone();
      const Tensor expected = torch::batch_norm(all, scale2, bias2, {}, {}, true, 0.1, 1e-5, true);
      const std::vector<Tensor> manyWeights(static_cast<size_t>(size), weights);
      (expected * torch::cat(manyWeights)).sum().backward();
      EXPECT_TRUE(torch::allclose(dst, expected.narrow(0, 0, 4), 1e-4, 1e-4));
      EXPECT_TRUE(torch::allclose(src.grad(), all.grad().narrow(0, 0, 4), 1e-3, 1e-5));
      // Of its own rows; the processes add them up as they do with every gradient.
      EXPECT_TRUE(torch::allclose(scale.grad() * size, scale2.grad(), 1e-3, 1e-3));
      EXPECT_TRUE(torch::allclose(bias.grad() * size, bias2.grad(), 1e-4, 1e-4));
    }
}

TEST(SharedBatchNorm, MovesRunningStatisticsAsTheWholeBatchWould) {
  torch::manual_seed(2);
  const Tensor own = torch::randn({4, 3, 5, 5}) * 2 + 1, scale = torch::ones({3}), bias = torch::zeros({3});
  const Tensor mean = torch::zeros({3}), variance = torch::ones({3});
  Tensor expectedMean = mean.clone(), expectedVariance = variance.clone();
  Mirrors group(2);
  sharedBatchNorm(own, scale, bias, mean, variance, 0.1, 1e-5, group);
  torch::batch_norm(torch::cat({own, own}), scale, bias, expectedMean, expectedVariance, true, 0.1, 1e-5,
                    true);
  EXPECT_TRUE(torch::allclose(mean, expectedMean, 1e-5, 1e-6));
  EXPECT_TRUE(torch::allclose(variance, expectedVariance, 1e-5, 1e-6));
}

TEST(RowGenerator, AnImagesNumbersDoNotDependOnHowManyShareTheBatch) {
  const auto draw = [](const BatchPart& part, int64_t rows) {
    const RowGenerator generator(makeGenerator(torch::kCPU, 5), part);
    const Tensor images = torch::empty({rows, 2, 3, 3}), labels = torch::empty({rows}, torch::kInt64);
    return std::vector<Tensor>{generator.uniform(images, -1, 1), generator.normal(images),
                               generator.bernoulli(images, 0.7), generator.integers(labels, 10),
                               generator.uniform(images, 0, 1)};
  };
  const std::vector<Tensor> whole = draw({}, 12);
  for (const int64_t count : {2, 3, 4})
    for (int64_t index = 0; index < count; ++index) {
      const BatchPart part = {index, count, 12 / count};
      const std::vector<Tensor> own = draw(part, part.rows);
      for (size_t i = 0; i < own.size(); ++i) EXPECT_TRUE(own[i].equal(part.of(whole[i]))) << "draw " << i;
    }
}

TEST(RowGenerator, SeveralBatchesInOneTensorAreDrawnOneAfterTheOther) {
  const Tensor clean = torch::empty({4, 3}), both = torch::empty({8, 3});
  const Tensor whole = RowGenerator(makeGenerator(torch::kCPU, 5)).uniform(both, 0, 1);
  const Tensor part = RowGenerator(makeGenerator(torch::kCPU, 5), {1, 2, 2}).uniform(clean, 0, 1);
  EXPECT_TRUE(part.narrow(0, 0, 2).equal(whole.narrow(0, 2, 2)));
  EXPECT_TRUE(part.narrow(0, 2, 2).equal(whole.narrow(0, 6, 2)));
}

}  // namespace
}  // namespace rdi::train
