// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/compare.hpp"

#include <gtest/gtest.h>

#include "converters/convert.hpp"
#include "converters/inspect.hpp"
#include "graph/attributes.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::convert {
namespace {

using nlohmann::json;

json compared(const onnx::ModelProto& a, const onnx::ModelProto& b) {
  const json left = inspect(a, "a.onnx", 1000), right = inspect(b, "b.onnx", 1000);
  return compare({a, left}, {b, right});
}

onnx::TensorProto& tensorOf(onnx::ModelProto& model, const std::string& name) {
  for (auto& tensor : *model.mutable_graph()->mutable_initializer())
    if (tensor.name() == name) return tensor;
  throw std::runtime_error("no tensor " + name);
}

onnx::ModelProto withRule(float first) {
  auto model = test::tinyMultiExit();
  graph::Metadata metadata;
  metadata.rule.emplace();
  metadata.rule->thresholds = {first, 0.5f};
  graph::writeMetadata(model, metadata);
  return model;
}

TEST(Compare, FindsNothingBetweenAModelAndItself) {
  const auto model = test::tinyMultiExit();
  const auto found = compared(model, model);
  EXPECT_TRUE(found.at("differences").empty()) << found.dump(1);
  EXPECT_EQ(found.at("weights").at("same"), model.graph().initializer_size());
  EXPECT_TRUE(found.at("weights").at("changed").empty());
  EXPECT_NE(compareText(found).find("nothing that rdi-inspect tells differs"), std::string::npos);
}

TEST(Compare, NamesAChangedTensorAndHowFarItMoved) {
  const auto a = test::tinyMultiExit();
  auto b = a;
  auto values = graph::floatValues(tensorOf(b, "conv2.weight"));
  values[3] += 0.25f;
  values[7] -= 0.125f;
  tensorOf(b, "conv2.weight") = graph::floatTensor("conv2.weight", {4, 4, 3, 3}, values);
  const auto found = compared(a, b).at("weights");
  EXPECT_EQ(found.at("same"), a.graph().initializer_size() - 1);
  ASSERT_EQ(found.at("changed").size(), 1u);
  const auto& change = found.at("changed")[0];
  EXPECT_EQ(change.at("name"), "conv2.weight");
  EXPECT_EQ(change.at("values"), 2);
  EXPECT_NEAR(change.at("largest_difference").get<double>(), 0.25, 1e-6);
  EXPECT_NE(compareText(compared(a, b)).find("conv2.weight"), std::string::npos);
}

TEST(Compare, ToldByBitsSeesTheSignOfZero) {
  auto a = test::tinyMultiExit(), b = a;
  tensorOf(a, "exit1.bias") = graph::floatTensor("exit1.bias", {4}, {0.0f, 1, 2, 3});
  tensorOf(b, "exit1.bias") = graph::floatTensor("exit1.bias", {4}, {-0.0f, 1, 2, 3});
  const auto change = compared(a, b).at("weights").at("changed");
  ASSERT_EQ(change.size(), 1u);
  EXPECT_EQ(change[0].at("values"), 1);
  EXPECT_EQ(change[0].at("largest_difference"), 0);
}

TEST(Compare, NamesTensorsThatOneSideLacksOrShapesOtherwise) {
  auto a = test::tinyMultiExit(), b = a;
  tensorOf(b, "exit1.bias").set_name("exit1.offset");
  tensorOf(b, "exit2.bias") = graph::floatTensor("exit2.bias", {1, 4}, {1, 2, 3, 4});
  const auto left = inspect(a, "a.onnx", 1), right = left;
  const auto found = compare({a, left}, {b, right}).at("weights");
  EXPECT_EQ(found.at("only_in_a"), (json{"exit1.bias"}));
  EXPECT_EQ(found.at("only_in_b"), (json{"exit1.offset"}));
  EXPECT_EQ(found.at("other_shape"), (json{{{"name", "exit2.bias"}, {"a", "4"}, {"b", "1x4"}}}));
}

TEST(Compare, ShowsOtherThresholds) {
  const auto found = compared(withRule(0.25f), withRule(0.75f));
  ASSERT_EQ(found.at("weights").at("changed").size(), 0u);
  const auto text = compareText(found);
  EXPECT_NE(text.find("0.25"), std::string::npos) << text;
  EXPECT_NE(text.find("0.75"), std::string::npos) << text;
}

TEST(Compare, LooksIntoTheStagesOfAnEarlyExitFile) {
  const auto a = toEarlyExit(withRule(0.25f), "", {});
  auto changed = withRule(0.25f);
  auto values = graph::floatValues(tensorOf(changed, "conv3.weight"));
  for (auto& value : values) value *= 2;
  tensorOf(changed, "conv3.weight") = graph::floatTensor("conv3.weight", {6, 4, 3, 3}, values);
  const auto found = compared(a, toEarlyExit(changed, "", {})).at("weights").at("changed");
  ASSERT_EQ(found.size(), 1u) << found.dump(1);
  EXPECT_NE(found[0].at("name").get<std::string>().find("/conv3.weight"), std::string::npos);
}

TEST(Compare, TellsAMultiExitFileFromItsEarlyExitForm) {
  const auto model = withRule(0.25f);
  const auto text = compareText(compared(model, toEarlyExit(model, "", {})));
  for (const char* word : {"kind", "multi-exit", "early-exit", "weights only in a"})
    EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
}

TEST(Compare, KeepsALongListShortInTextAndWholeInJson) {
  auto a = test::tinyMultiExit(), b = a;
  for (int i = 0; i < 50; ++i) {
    *a.mutable_graph()->add_initializer() = graph::floatTensor("extra" + std::to_string(i), {1}, {1});
  }
  const auto found = inspect(b, "b.onnx", 1);
  const auto both = compare({a, found}, {b, found});
  EXPECT_EQ(both.at("weights").at("only_in_a").size(), 50u);
  EXPECT_NE(compareText(both).find("weights only in a 50:"), std::string::npos);
  EXPECT_EQ(compareText(both).find("extra49"), std::string::npos);
}

}  // namespace
}  // namespace rdi::convert
