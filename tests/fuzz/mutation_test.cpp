// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// Thousands of damaged models through everything that reads files. Each is either read or refused with an
// rdi::Error; a crash, another exception or (in the asan build) an access out of bounds fails the test. Seeds
// are fixed, so a failure repeats; RDI_FUZZ_ROUNDS in the environment makes it run longer.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "graph/model_io.hpp"
#include "tests/fuzz/damage.hpp"
#include "tests/fuzz/feed.hpp"
#include "tests/fuzz/seeds.hpp"

namespace rdi {
namespace {

using Engine = std::mt19937_64;

int rounds(int usual) {
  const char* asked = std::getenv("RDI_FUZZ_ROUNDS");
  return asked ? std::atoi(asked) : usual;
}

class Fuzz : public testing::TestWithParam<test::FuzzTarget> {
protected:
  /// Rounds of one seed; many seeds share what two have, so that adding one costs no time.
  static int roundsOfEach(int usual) {
    const auto seeds = static_cast<int>(GetParam().seeds.size());
    return std::max(rounds(usual) * std::min(seeds, 2) / std::max(seeds, 1), 1);
  }
};
class FuzzModels : public Fuzz {};

TEST_P(Fuzz, DamagedBytes) {
  uint64_t seed = 1000000;
  int refused = 0;
  for (const auto& file : GetParam().seeds) {
    ASSERT_TRUE(GetParam().feed(file)) << "the undamaged file must be read";
    for (int i = 0; i < roundsOfEach(2500); ++i) {
      SCOPED_TRACE(seed);
      Engine engine(seed++);
      std::string bytes = file;
      test::damageBytes(bytes, engine);
      ASSERT_NO_THROW(refused += GetParam().feed(bytes) ? 0 : 1);
    }
  }
  EXPECT_GT(refused, 0);
}

TEST_P(FuzzModels, DamagedStructure) {
  uint64_t seed = 3000000;
  int read = 0;
  for (const auto& file : GetParam().seeds) {
    const auto model = graph::parseUnchecked(file.data(), file.size(), "seed");
    for (int i = 0; i < roundsOfEach(1500); ++i) {
      SCOPED_TRACE(seed);
      Engine engine(seed++);
      auto damaged = model;
      test::damageStructure(damaged, engine);
      ASSERT_NO_THROW(read += GetParam().feed(graph::serialize(damaged)) ? 1 : 0);
    }
  }
  EXPECT_GT(read, 0);  // else the damage is too coarse to reach the code behind the checks
}

std::vector<test::FuzzTarget> all() {
  auto targets = test::converterTargets();
#if RDI_FUZZ_PLUGIN
  targets.push_back({"plugin", test::feedPlugin, test::pluginSeeds(), true});
#endif
  return targets;
}

std::vector<test::FuzzTarget> models() {
  auto targets = all();
  targets.erase(
      std::remove_if(targets.begin(), targets.end(), [](const auto& target) { return !target.isModel; }),
      targets.end());
  return targets;
}

std::string nameOf(const testing::TestParamInfo<test::FuzzTarget>& target) { return target.param.name; }

INSTANTIATE_TEST_SUITE_P(Readers, Fuzz, testing::ValuesIn(all()), nameOf);
INSTANTIATE_TEST_SUITE_P(Readers, FuzzModels, testing::ValuesIn(models()), nameOf);

}  // namespace
}  // namespace rdi
