// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/buffers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace rdi {
namespace {

using engine::BufferPlan;
using engine::Operation;
using engine::OperationKind;
using engine::Place;
using engine::Program;
using engine::Storage;

/// A chain input -> 1 -> 2 -> ... -> output of pictures of these sizes.
Program chain(const std::vector<int64_t>& sizes) {
  Program program;
  for (size_t i = 0; i < sizes.size(); ++i) {
    program.tensors.push_back({"t" + std::to_string(i), {1, sizes[i]}, -1});
    if (i == 0) continue;
    Operation operation;
    operation.kind = OperationKind::innerProduct;
    operation.sources = {static_cast<int>(i) - 1};
    operation.destination = static_cast<int>(i);
    program.operations.push_back(operation);
  }
  program.inputs = {0};
  program.outputs = {static_cast<int>(sizes.size()) - 1};
  return program;
}

TEST(Buffers, AChainNeedsRoomForTwoNeighbours) {
  Program program = chain({16, 16, 16, 16, 16, 16});
  const BufferPlan plan = engine::planBuffers(program);
  EXPECT_EQ(plan.arenaBytes, 2 * 64u);
  EXPECT_EQ(plan.places[0].storage, Storage::input);
  EXPECT_EQ(plan.places[5].storage, Storage::output);
  EXPECT_EQ(plan.places[1].offset, plan.places[3].offset);
  EXPECT_NE(plan.places[1].offset, plan.places[2].offset);
}

TEST(Buffers, ADyingAddendBecomesTheDestination) {
  Program program = chain({16, 16, 16, 16, 16});
  program.operations[2].addend = 1;  // tensor 3 = f(tensor 2) + tensor 1
  const BufferPlan plan = engine::planBuffers(program);
  EXPECT_FALSE(program.operations[2].copiesAddend);
  EXPECT_EQ(plan.places[1].offset, plan.places[3].offset);
}

TEST(Buffers, AnAddendThatIsStillNeededIsCopied) {
  for (const int addend : {0, 1, 2}) {  // the caller's input; read again later; read by the operation itself
    Program program = chain({16, 16, 16, 16, 16});
    program.operations[2].addend = addend;
    if (addend == 1) program.operations[3].sources = {3, 1};
    engine::planBuffers(program);
    EXPECT_TRUE(program.operations[2].copiesAddend) << addend;
  }
}

TEST(Buffers, ADyingAddendMayLiveInTheCallersOutput) {
  Program program = chain({16, 16, 16, 16});
  program.operations[2].addend = 1;
  const BufferPlan plan = engine::planBuffers(program);
  EXPECT_FALSE(program.operations[2].copiesAddend);
  EXPECT_EQ(plan.places[1].storage, Storage::output);
}

TEST(Buffers, TensorsThatAreAliveTogetherNeverOverlap) {
  std::mt19937 random(5);
  const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<uint32_t>(limit)); };
  for (int round = 0; round < 300; ++round) {
    std::vector<int64_t> sizes(static_cast<size_t>(4 + below(12)));
    for (int64_t& size : sizes) size = 1 + below(200);
    Program program = chain(sizes);
    for (size_t i = 1; i < program.operations.size(); ++i) {
      if (below(3) == 0) program.operations[i].sources.push_back(below(static_cast<int>(i)));
      const int addend = below(static_cast<int>(i) + 1);
      if (below(2) == 0 && sizes[static_cast<size_t>(addend)] == sizes[i + 1])
        program.operations[i].addend = addend;
    }
    const BufferPlan plan = engine::planBuffers(program);

    // Simulate: every operation marks its destination's bytes; every tensor must be intact when it is read.
    std::vector<int> owner(plan.arenaBytes, -1);
    const auto mark = [&](int tensor) {
      const Place& place = plan.places[static_cast<size_t>(tensor)];
      if (place.storage != Storage::arena) return;
      const auto begin = owner.begin() + static_cast<long>(place.offset);
      std::fill(begin, begin + sizes[static_cast<size_t>(tensor)] * 4, tensor);
    };
    const auto intact = [&](int tensor) {
      const Place& place = plan.places[static_cast<size_t>(tensor)];
      if (place.storage != Storage::arena) return true;
      const auto begin = owner.begin() + static_cast<long>(place.offset);
      return std::all_of(begin, begin + sizes[static_cast<size_t>(tensor)] * 4,
                         [&](int one) { return one == tensor; });
    };
    for (const Operation& operation : program.operations) {
      if (operation.addend >= 0) {
        EXPECT_TRUE(intact(operation.addend));
      }
      if (operation.addend < 0 || operation.copiesAddend) mark(operation.destination);
      for (const int source : operation.sources) EXPECT_TRUE(intact(source));
      mark(operation.destination);
    }
  }
}

}  // namespace
}  // namespace rdi
