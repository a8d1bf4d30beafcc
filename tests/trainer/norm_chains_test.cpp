// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/norm_chains.hpp"

#include <gtest/gtest.h>

#include "graph/attributes.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

using test::node;

onnx::NodeProto norm(const std::string& src, const std::string& dst) {
  return node("BatchNormalization", {src, "s", "b", "m", "v"}, dst);
}

NormChains chainsOf(const std::vector<onnx::NodeProto>& nodes, const std::set<std::string>& kept = {"y"},
                    std::vector<bool> needed = {}) {
  onnx::GraphProto graph;
  for (const onnx::NodeProto& n : nodes) *graph.add_node() = n;
  needed.resize(nodes.size(), true);
  return findNormChains(graph, needed, kept);  // its pointers end with the graph: tests look at places alone
}

std::vector<int> ends(const NormChains& chains) {
  std::vector<int> result;
  for (const auto& [end, chain] : chains.endingAt) result.push_back(end);
  return result;
}

TEST(NormChains, ReachOverAdditionAndActivation) {
  const auto chains = chainsOf({norm("x", "n"), node("Conv", {"x", "w"}, "c"), node("Add", {"c", "n"}, "a"),
                                node("Relu", {"a"}, "y")});
  EXPECT_EQ(ends(chains), std::vector<int>{3});
  EXPECT_EQ(chains.endingAt.at(3).shortcut, "c");
  EXPECT_NE(chains.endingAt.at(3).activation, nullptr);
  EXPECT_EQ(chains.inside, (std::set<int>{0, 2}));
}

TEST(NormChains, OfTwoThatMeetOneTakesTheAddition) {
  const auto chains =
      chainsOf({norm("x", "n1"), norm("z", "n2"), node("Add", {"n1", "n2"}, "a"), node("Relu", {"a"}, "y")});
  EXPECT_EQ(ends(chains), (std::vector<int>{1, 3}));
  EXPECT_EQ(chains.endingAt.at(3).shortcut, "n2");
  EXPECT_EQ(chains.endingAt.at(1).shortcut, "");
}

TEST(NormChains, WhatSomebodyElseReadsStays) {
  EXPECT_EQ(ends(chainsOf({norm("x", "n"), node("Relu", {"n"}, "r"), node("Add", {"n", "r"}, "y")})),
            std::vector<int>{0})
      << "read twice";
  EXPECT_EQ(ends(chainsOf({norm("x", "n"), node("Add", {"n", "n"}, "y")})), std::vector<int>{0})
      << "read twice by one node";
  EXPECT_EQ(ends(chainsOf({norm("x", "n"), node("Relu", {"n"}, "y")}, {"n", "y"})), std::vector<int>{0})
      << "an output of the model";
  EXPECT_EQ(ends(chainsOf({norm("x", "n"), node("Add", {"n", "c"}, "a"), node("Relu", {"a"}, "r"),
                           node("Add", {"a", "r"}, "y")})),
            std::vector<int>{1})
      << "the sum is read twice";
}

TEST(NormChains, ReadersThatNobodyNeedsDoNotCount) {
  EXPECT_EQ(ends(chainsOf({norm("x", "n"), node("Relu", {"n"}, "y"), node("Sigmoid", {"n"}, "unused")}, {"y"},
                          {true, true, false})),
            std::vector<int>{1});
}

TEST(NormChains, AnOldAdditionWithAnAxisIsLeftAlone) {
  onnx::NodeProto add = node("Add", {"n", "c"}, "y");
  graph::setAttribute(add, "axis", int64_t{1});
  EXPECT_EQ(ends(chainsOf({norm("x", "n"), add})), std::vector<int>{0});
}

TEST(NormChains, ALimitOfAClipIsNoFeature) {
  EXPECT_EQ(ends(chainsOf({norm("x", "n"), node("Clip", {"z", "n"}, "y")})), std::vector<int>{0});
}

}  // namespace
}  // namespace rdi::train
