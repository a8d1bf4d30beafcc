// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/conformal.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

TEST(Binomial, HandWorked) {
  EXPECT_NEAR(binomialAtMost(0, 2, 0.5), 0.25, 1e-15);
  EXPECT_NEAR(binomialAtMost(1, 5, 0.5), 6.0 / 32, 1e-15);
  EXPECT_NEAR(binomialAtMost(2, 5, 0.5), 16.0 / 32, 1e-15);
  EXPECT_NEAR(binomialAtMost(1, 3, 0.1), 0.9 * 0.9 * 0.9 + 3 * 0.1 * 0.9 * 0.9, 1e-15);
  EXPECT_EQ(binomialAtMost(-1, 3, 0.1), 0);
  EXPECT_EQ(binomialAtMost(3, 3, 0.1), 1);
  EXPECT_EQ(binomialAtMost(2, 3, 0), 1);
  EXPECT_EQ(binomialAtMost(2, 3, 1), 0);
  EXPECT_NEAR(binomialAtMost(50, 5000, 0.01), 0.5375, 2e-3) << "near the Poisson law with mean 50";
}

TEST(LossesAllowed, HandWorked) {
  // A fair coin: none of 2 has probability 1/4, at most 1 of 5 has 6/32, at most 2 of 5 has 16/32.
  EXPECT_EQ(lossesAllowed(1, 0.5, 0.75), -1);
  EXPECT_EQ(lossesAllowed(2, 0.5, 0.75), 0);
  EXPECT_EQ(lossesAllowed(5, 0.5, 0.75), 1);
  EXPECT_EQ(lossesAllowed(0, 0.5, 0.75), -1);
  // 0.99^298 = 0.0500 is just too much, 0.99^299 = 0.0495 is not.
  EXPECT_EQ(imagesNeeded(0.01, 0.95), 299);
  EXPECT_EQ(lossesAllowed(298, 0.01, 0.95), -1);
  EXPECT_EQ(lossesAllowed(299, 0.01, 0.95), 0);
}

TEST(LossesAllowed, IsTheLastCountThatTheTestPasses) {
  for (const int64_t images : {300, 2500, 100000})
    for (const double risk : {0.01, 0.05, 0.3}) {
      const int64_t allowed = lossesAllowed(images, risk, 0.95);
      EXPECT_LE(binomialAtMost(allowed, images, risk), 0.05);
      EXPECT_GT(binomialAtMost(allowed + 1, images, risk), 0.05);
    }
}

TEST(ProvenChoices, StopAtTheFirstThatFails) {
  // Of 5 images at most 1 may be lost: the third choice fails, and that the fourth would pass counts no more.
  EXPECT_EQ(provenChoices({0, 1, 2, 0}, 5, 0.5, 0.75), 2U);
  EXPECT_EQ(provenChoices({2, 0}, 5, 0.5, 0.75), 0U);
  EXPECT_EQ(provenChoices({0, 0}, 5, 0.5, 0.75), 2U);
  EXPECT_EQ(provenChoices({0}, 1, 0.5, 0.75), 0U) << "one image proves nothing";
}

TEST(Risk, RefusesWhatMakesNoSense) {
  for (const double bad : {0.0, 1.0, -0.1, 1.5, std::nan("")}) {
    EXPECT_THROW(imagesNeeded(bad, 0.95), Error);
    EXPECT_THROW(lossesAllowed(10, 0.1, bad), Error);
  }
}

}  // namespace
}  // namespace rdi::train
