// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/checkpoint.hpp"

#include <gtest/gtest.h>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

Checkpoint example() {
  Checkpoint checkpoint;
  checkpoint.state = {{"iteration", 7}, {"names", {"a", "b"}}};
  checkpoint.add("floats", torch::tensor({1.5F, -0.0F, 1e-42F}).view({3, 1}));
  checkpoint.add("integers", torch::tensor({int64_t{1} << 40, int64_t{-3}}, torch::kInt64));
  checkpoint.add("bytes", torch::tensor({1, 255}, torch::kUInt8));
  checkpoint.add("empty", torch::empty({0}, torch::kInt64));
  checkpoint.add("transposed", torch::arange(6, torch::kFloat32).view({2, 3}).t());
  return checkpoint;
}

TEST(Checkpoint, ComesBackBitForBit) {
  test::TemporaryFolder folder;
  saveCheckpoint(example(), folder.path("c"));
  const Checkpoint loaded = loadCheckpoint(folder.path("c"));
  EXPECT_EQ(loaded.state, example().state);
  for (const auto& [name, tensor] : example().tensors) {
    EXPECT_TRUE(torch::equal(loaded.tensor(name), tensor)) << name;
    EXPECT_EQ(loaded.tensor(name).scalar_type(), tensor.scalar_type());
    EXPECT_EQ(loaded.tensor(name).sizes(), tensor.sizes());
  }
  EXPECT_TRUE(std::signbit(loaded.tensor("floats")[1].item<float>()));
  EXPECT_THROW(loaded.tensor("nothing"), Error);
}

TEST(Checkpoint, EveryDamagedByteAndEveryCutIsRefusedByName) {
  test::TemporaryFolder folder;
  const std::string path = folder.path("c");
  saveCheckpoint(example(), path);
  const std::string good = graph::readFile(path);
  const auto expectRefused = [&](const std::string& bytes) {
    test::writeFile(path, bytes);
    try {
      loadCheckpoint(path);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    }
  };
  for (size_t i = 0; i < good.size(); ++i) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    expectRefused(damaged);
  }
  for (size_t size = 0; size < good.size(); ++size) expectRefused(good.substr(0, size));
  expectRefused(good + "x");
  EXPECT_THROW(loadCheckpoint(folder.path("missing")), Error);
}

TEST(Checkpoint, AFailedWriteLeavesTheOldOne) {
  test::TemporaryFolder folder;
  EXPECT_THROW(saveCheckpoint(example(), folder.path("no/such/folder/c")), Error);
  saveCheckpoint(example(), folder.path("c"));
  Checkpoint unsupported = example();
  unsupported.add("half", torch::zeros({2}, torch::kHalf));
  EXPECT_THROW(saveCheckpoint(unsupported, folder.path("c")), Error);
  EXPECT_NO_THROW(loadCheckpoint(folder.path("c")));
}

}  // namespace
}  // namespace rdi::train
