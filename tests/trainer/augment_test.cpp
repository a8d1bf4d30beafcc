// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/augment.hpp"

#include <gtest/gtest.h>

#include "trainer/torch_compat.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;

torch::Generator generator(uint64_t seed = 1) { return makeGenerator(torch::kCPU, seed); }

// Pixel values 1 + place, so that each says where it came from and black is none of them.
Tensor numbered(int64_t count) {
  return torch::arange(1, 2 * 4 * 5 + 1).to(torch::kFloat32).view({1, 2, 4, 5}).repeat({count, 1, 1, 1});
}

Tensor moved(const Tensor& image, int64_t down, int64_t right) {
  const Tensor padded = torch::constant_pad_nd(image, {2, 2, 2, 2});
  return padded.narrow(1, 2 - down, image.size(1)).narrow(2, 2 - right, image.size(2));
}

TEST(Augment, EveryShiftAndMirrorImageComesUpAndNothingElse) {
  const Tensor images = numbered(2000);
  auto random = generator();
  AugmentOptions options;
  options.shift = 2;
  options.flip = true;
  const Tensor varied = augment(images, options, random);
  ASSERT_EQ(varied.sizes(), images.sizes());
  Tensor accounted = torch::zeros({images.size(0)}, torch::kInt64);
  for (int64_t down = -2; down <= 2; ++down)
    for (int64_t right = -2; right <= 2; ++right)
      for (const bool flip : {false, true}) {
        const Tensor source = flip ? images[0].flip({2}) : images[0];
        const Tensor same = (varied == moved(source, down, right)).flatten(1).all(1);
        EXPECT_GT(same.sum().item<int64_t>(), 10) << down << " " << right << " " << flip;
        accounted += same;
      }
  EXPECT_TRUE((accounted == 1).all().item<bool>());
}

TEST(Augment, SameSeedSameImagesAnotherSeedOthers) {
  const Tensor images = numbered(50);
  AugmentOptions options;
  options.shift = 1;
  auto one = generator(3), again = generator(3), other = generator(4);
  const Tensor varied = augment(images, options, one);
  EXPECT_TRUE(torch::equal(varied, augment(images, options, again)));
  EXPECT_FALSE(torch::equal(varied, augment(images, options, other)));
  EXPECT_FALSE(torch::equal(varied, augment(images, options, one))) << "anew each time";
}

TEST(Augment, ACropIsEverySquareOfTheImageAndNothingElse) {
  const Tensor images = numbered(2000);
  auto random = generator();
  AugmentOptions options;
  options.crop = 3;
  const Tensor varied = augment(images, options, random);
  ASSERT_EQ(varied.sizes(), (std::vector<int64_t>{2000, 2, 3, 3}));
  Tensor accounted = torch::zeros({images.size(0)}, torch::kInt64);
  for (int64_t down = 0; down <= 1; ++down)
    for (int64_t right = 0; right <= 2; ++right) {
      const Tensor same = (varied == images[0].narrow(1, down, 3).narrow(2, right, 3)).flatten(1).all(1);
      EXPECT_GT(same.sum().item<int64_t>(), 100) << down << " " << right;
      accounted += same;
    }
  EXPECT_TRUE((accounted == 1).all().item<bool>());
}

TEST(Augment, ACropAsLargeAsTheImageLeavesItWhole) {
  const Tensor images = torch::rand({3, 1, 4, 4});
  auto random = generator();
  AugmentOptions options;
  options.crop = 4;
  EXPECT_TRUE(torch::equal(augment(images, options, random), images));
}

}  // namespace
}  // namespace rdi::train
