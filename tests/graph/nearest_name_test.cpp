// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/nearest_name.hpp"

#include <gtest/gtest.h>

namespace rdi {
namespace {

TEST(NearestName, FindsWhatASlipOfTheFingersMeant) {
  const std::vector<std::string> known = {"learning-rate", "label-smoothing", "log-every", "ema", "seed"};
  EXPECT_EQ(nearestName("lerning-rate", known), "learning-rate");
  EXPECT_EQ(nearestName("lable-smoothing", known), "label-smoothing");
  EXPECT_EQ(nearestName("log_every", known), "log-every");
  EXPECT_EQ(nearestName("sede", known), "seed");
  EXPECT_EQ(nearestName("emma", known), "ema");
}

TEST(NearestName, AnotherWordIsNoSlip) {
  EXPECT_EQ(nearestName("momentum", {"seed", "ema"}), "");
  EXPECT_EQ(nearestName("x", {}), "");
  EXPECT_EQ(didYouMean("momentun", {"momentum"}), "; did you mean momentum?");
  EXPECT_EQ(didYouMean("flip", {"momentum"}), "");
}

}  // namespace
}  // namespace rdi
