// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/partition.hpp"

#include <gtest/gtest.h>
#include <onnx/checker.h>

#include <algorithm>
#include <set>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/graph/naive_run.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::graph {
namespace {

using test::Tensor;
using test::ToyModel;
using Names = std::vector<std::string>;

Names sorted(Names names) {
  std::sort(names.begin(), names.end());
  return names;
}

/// Runs the parts one after the other, each from what the parts before it gave out, and compares every exit
/// with the whole model's; checks what must hold for any cut.
void expectTheChainGivesTheSame(const onnx::ModelProto& model, const Names& exits) {
  const Shape image = inputShape(model);
  const auto input = test::randomInput({1, image[0], image[1], image[2]}, 3);
  const auto whole = test::runNaively(model, input);
  const auto segments = partition(model, exits);
  ASSERT_EQ(segments.size(), exits.size());
  std::map<std::string, Tensor> known{{inputName(model), input}};
  std::set<int> used;
  const auto runPart = [&](const Part& part, const std::string& name) {
    if (part.nodes.empty()) return;
    for (const int node : part.nodes)
      EXPECT_TRUE(used.insert(node).second) << "node " << node << " runs twice";
    EXPECT_TRUE(std::is_sorted(part.nodes.begin(), part.nodes.end()));
    const auto piece = extract(model, part, name);
    EXPECT_NO_THROW(onnx::checker::check_model(piece));
    std::map<std::string, Tensor> inputs;
    ASSERT_EQ(static_cast<size_t>(piece.graph().input_size()), part.inputs.size());
    for (const auto& tensor : part.inputs) {
      ASSERT_EQ(known.count(tensor), 1u) << name << " reads " << tensor << " before it is computed";
      inputs[tensor] = known.at(tensor);
    }
    const auto results = test::runNaively(piece, inputs);
    const auto recorded = recordedShapes(piece);
    for (const auto& node : piece.graph().node())
      EXPECT_EQ(recorded.at(node.output(0)), results.at(node.output(0)).shape) << node.output(0);
    for (const auto& tensor : part.outputs) known[tensor] = results.at(tensor);
  };
  for (size_t k = 0; k < segments.size(); ++k) {
    EXPECT_EQ(segments[k].exit, exits[k]);
    runPart(segments[k].stage, "stage" + std::to_string(k));
    if (!segments[k].branch.nodes.empty()) {
      EXPECT_EQ(segments[k].branch.outputs, Names{exits[k]});
    }
    runPart(segments[k].branch, "branch" + std::to_string(k));
    ASSERT_EQ(known.count(exits[k]), 1u) << exits[k];
    EXPECT_EQ(known.at(exits[k]).values, whole.at(exits[k]).values) << exits[k];
  }
  const auto needed = ancestors(model.graph(), exits);
  EXPECT_EQ(std::vector<int>(used.begin(), used.end()), needed);
}

TEST(Partition, TheZooRunsStageByStage) {
  for (const auto& name : {"rdi-smallcnn", "rdi-resnet38"}) {
    auto model = zoo::build(name);
    test::randomizeWeights(model, 2);
    expectTheChainGivesTheSame(model, exitNames(model));
  }
}

TEST(Partition, OneTensorCrossesACutAfterAResidualBlock) {
  const auto model = test::tinyMultiExit();
  const auto segments = partition(model, {"exit1", "exit2", "main"});
  EXPECT_EQ(segments[0].stage.inputs, Names{"image"});
  EXPECT_EQ(segments[0].stage.outputs, Names{"relu1"});
  EXPECT_EQ(segments[1].stage.inputs, Names{"relu1"});
  EXPECT_EQ(segments[1].stage.outputs, Names{"drop"});
  EXPECT_TRUE(segments[2].stage.nodes.empty());  // all that is left belongs to the main exit's branch
  EXPECT_EQ(segments[2].branch.inputs, Names{"drop"});
  expectTheChainGivesTheSame(model, {"exit1", "exit2", "main"});
}

TEST(Partition, ACutInsideAResidualBlockCarriesBothTensors) {
  ToyModel toy;
  const auto trunk = toy.conv("image", 3, 4, "trunk");
  const auto middle = toy.relu(toy.conv(trunk, 4, 4, "inner"), "middle");
  toy.exit(middle, 4, "exit1");
  toy.node("Add", {toy.conv(middle, 4, 4, "inner2"), trunk}, "sum");
  toy.exit("sum", 4, "main");
  const auto segments = partition(toy.model(), {"exit1", "main"});
  EXPECT_EQ(sorted(segments[0].stage.outputs), (Names{"middle", "trunk"}));
  EXPECT_EQ(sorted(segments[1].branch.inputs), (Names{"middle", "trunk"}));
  expectTheChainGivesTheSame(toy.model(), {"exit1", "main"});
}

TEST(Partition, DenseBlocksCarrySeveralTensorsAcrossSeveralCuts) {
  ToyModel toy;
  toy.conv("image", 3, 2, "a");
  toy.conv("a", 2, 2, "b");
  setAttribute(toy.node("Concat", {"a", "b"}, "ab"), "axis", int64_t{1});
  toy.exit("ab", 4, "exit1");
  toy.conv("ab", 4, 2, "c");
  setAttribute(toy.node("Concat", {"a", "c"}, "ac"), "axis", int64_t{1});
  toy.exit("ac", 4, "exit2");
  toy.conv("c", 2, 2, "d");
  setAttribute(toy.node("Concat", {"a", "b", "c", "d"}, "abcd"), "axis", int64_t{1});
  toy.exit("abcd", 8, "main");
  const auto segments = partition(toy.model(), {"exit1", "exit2", "main"});
  EXPECT_EQ(sorted(segments[0].stage.outputs), (Names{"a", "ab", "b"}));
  EXPECT_EQ(sorted(segments[2].branch.inputs),
            (Names{"a", "b", "c"}));  // past the second stage, straight from the first
  expectTheChainGivesTheSame(toy.model(), {"exit1", "exit2", "main"});
}

TEST(Partition, TwoExitsOnOneTensorNeedNoSecondStage) {
  ToyModel toy;
  const auto features = toy.relu(toy.conv("image", 3, 4, "conv"), "features");
  toy.exit(features, 4, "exit1");
  toy.exit(features, 4, "exit2");
  toy.exit(toy.conv(features, 4, 4, "conv2"), 4, "main");
  const auto segments = partition(toy.model(), {"exit1", "exit2", "main"});
  EXPECT_FALSE(segments[0].stage.nodes.empty());
  EXPECT_TRUE(segments[1].stage.nodes.empty());
  EXPECT_EQ(segments[1].branch.inputs, Names{"features"});
  expectTheChainGivesTheSame(toy.model(), {"exit1", "exit2", "main"});
}

TEST(Partition, WhatTwoBranchesShareIsComputedOnce) {
  ToyModel toy;
  const auto trunk = toy.conv("image", 3, 4, "trunk");
  const auto shared = toy.relu(toy.conv(trunk, 4, 4, "head"), "shared");  // main does not read it
  toy.exit(shared, 4, "exit1");
  toy.exit(toy.conv(shared, 4, 4, "more"), 4, "exit2");
  toy.exit(toy.conv(trunk, 4, 4, "rest"), 4, "main");
  const auto segments = partition(toy.model(), {"exit1", "exit2", "main"});
  EXPECT_EQ(sorted(segments[0].stage.outputs), (Names{"shared", "trunk"}));
  expectTheChainGivesTheSame(toy.model(), {"exit1", "exit2", "main"});
}

TEST(Partition, AnExitMayReadAnEarlierExitsScoresOrTheImage) {
  ToyModel toy;
  toy.exit("image", 3, "exit1");
  toy.exit(toy.conv("image", 3, 4, "conv"), 4, "exit2_own");
  toy.node("Add", {"exit2_own", "exit1"}, "main");
  toy.output("main");
  expectTheChainGivesTheSame(toy.model(), {"exit1", "exit2_own", "main"});
  expectTheChainGivesTheSame(toy.model(), {"exit1", "main"});
}

TEST(Partition, ExitsRunInTheOrderGivenAndOthersAreDropped) {
  const auto model = test::tinyMultiExit();
  expectTheChainGivesTheSame(model, {"exit2", "exit1", "main"});
  expectTheChainGivesTheSame(model, {"main", "exit1"});
  expectTheChainGivesTheSame(model, {"exit1", "exit2"});
  expectTheChainGivesTheSame(model, {"exit2"});
}

TEST(Partition, UnknownRepeatedAndMissingExitsAreRefused) {
  const auto model = test::tinyMultiExit();
  EXPECT_THROW(partition(model, {}), Error);
  EXPECT_THROW(partition(model, {"exit1", "exit1", "main"}), Error);
  try {
    partition(model, {"exit1", "relu1"});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "there is no exit 'relu1'; the model has exit1, exit2, main");
  }
}

TEST(Extract, TakesOnlyItsOwnWeights) {
  const auto model = test::tinyMultiExit();
  const auto segments = partition(model, {"exit1", "exit2", "main"});
  const auto piece = extract(model, segments[0].branch, "branch");
  ASSERT_EQ(piece.graph().initializer_size(), 2);
  EXPECT_EQ(piece.graph().name(), "branch");
  EXPECT_EQ(piece.graph().initializer(0).name(), "exit1.weight");
}

}  // namespace
}  // namespace rdi::graph
