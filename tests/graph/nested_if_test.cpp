// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// What stands in the file; that it takes the right exits is shown in tests/end_to_end, with ONNX Runtime.

#include "graph/nested_if.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::graph {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

ExitRule ruleWith(const std::vector<float>& thresholds) {
  ExitRule rule;
  rule.thresholds = thresholds;
  return rule;
}

const onnx::GraphProto& elseBranch(const onnx::GraphProto& graph) {
  for (const auto& node : graph.node())
    if (node.op_type() == "If") return findAttribute(node, "else_branch")->g();
  throw Error("no If");
}

std::set<std::string> weightsOf(const onnx::GraphProto& graph) {
  std::set<std::string> names;
  for (const auto& tensor : graph.initializer())
    if (tensor.dims_size() > 1) names.insert(tensor.name());
  return names;
}

int countOperators(const onnx::GraphProto& graph, const std::string& type) {
  int count = 0;
  for (const auto& node : graph.node()) {
    count += node.op_type() == type;
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) count += countOperators(attribute.g(), type);
  }
  return count;
}

TEST(NestedIf, KeepsTheWeightsOfTheRestInsideItsBranch) {
  const auto model = buildNestedIf(test::tinyMultiExit(), {}, ruleWith({0.1f, 0.2f}));
  checkNestedIf(model, "toy");
  EXPECT_TRUE(isNestedIf(model));
  const auto& second = elseBranch(model.graph());
  const auto& third = elseBranch(second);
  EXPECT_EQ(weightsOf(model.graph()), (std::set<std::string>{"conv1.weight_folded", "exit1.weight"}));
  EXPECT_EQ(weightsOf(second), (std::set<std::string>{"conv2.weight_folded", "exit2.weight"}));
  EXPECT_EQ(weightsOf(third), (std::set<std::string>{"conv3.weight", "main.weight"}));
  EXPECT_EQ(countOperators(model.graph(), "If"), 2);
}

TEST(NestedIf, AnOuterGraphsWeightIsReadNotCopied) {
  auto toy = test::tinyMultiExit();
  for (auto& node : *toy.mutable_graph()->mutable_node())
    if (node.op_type() == "Gemm" && node.output(0) == "exit2") node.set_input(1, "exit1.weight");
  const auto model = buildNestedIf(toy, {}, ruleWith({0.1f, 0.2f}));
  checkNestedIf(model, "toy");
  EXPECT_EQ(weightsOf(elseBranch(model.graph())), (std::set<std::string>{"conv2.weight_folded"}));
}

TEST(NestedIf, AnExitThatNobodyTakesCostsNothing) {
  const auto model = buildNestedIf(test::tinyMultiExit(), {}, ruleWith({-kInfinity, 0.2f}));
  checkNestedIf(model, "toy");
  EXPECT_EQ(countOperators(model.graph(), "If"), 1);
  EXPECT_EQ(countOperators(model.graph(), "Gemm"), 2);
  auto rule = ruleWith({-kInfinity, 0.2f});
  rule.patience = 2;  // exit 2 asks what exit 1 answered
  EXPECT_EQ(countOperators(buildNestedIf(test::tinyMultiExit(), {}, rule).graph(), "Gemm"), 3);
}

TEST(NestedIf, OneExitNeedsNoIf) {
  const auto model = buildNestedIf(test::tinyMultiExit(), {"main"}, ruleWith({}));
  checkNestedIf(model, "toy");
  EXPECT_TRUE(isNestedIf(model));
  EXPECT_EQ(countOperators(model.graph(), "If"), 0);
}

TEST(NestedIf, EveryArchitectureOfTheZooPassesTheChecker) {
  for (const auto& architecture : zoo::architectures()) {
    const auto net = zoo::build(architecture);
    for (const auto criterion : {Criterion::entropy, Criterion::margin}) {
      auto rule = ruleWith(std::vector<float>(exitNames(net).size() - 1, 0.5f));
      rule.criterion = criterion;
      rule.fusion = Fusion::mean;
      rule.patience = 2;
      const auto model = buildNestedIf(net, {}, rule);
      EXPECT_NO_THROW(checkNestedIf(model, architecture));
      EXPECT_EQ(readMetadata(model).rule->patience, 2);
      EXPECT_EQ(readMetadata(model).cost.size(), exitNames(net).size());
    }
  }
}

TEST(NestedIf, OtherModelsAreNone) {
  EXPECT_FALSE(isNestedIf(test::tinyMultiExit()));
  test::ToyModel toy;  // two exits that happen to have these names
  toy.exit("image", 3, "scores");
  toy.exit("image", 3, "exit");
  EXPECT_FALSE(isNestedIf(toy.model()));
}

TEST(NestedIf, NamesItNeedsAreRefused) {
  auto toy = test::tinyMultiExit();
  for (auto& node : *toy.mutable_graph()->mutable_node())
    for (auto* names : {node.mutable_input(), node.mutable_output()})
      for (auto& name : *names)
        if (name == "relu1") name = "halt/relu1";
  EXPECT_THROW(buildNestedIf(toy, {}, ruleWith({0.1f, 0.2f})), Error);
  EXPECT_THROW(buildNestedIf(test::tinyMultiExit(), {}, ruleWith({0.1f})), Error);
  EXPECT_THROW(buildNestedIf(test::tinyMultiExit(), {"exit9", "main"}, ruleWith({0.1f})), Error);
}

}  // namespace
}  // namespace rdi::graph
