// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/average.hpp"

#include <gtest/gtest.h>

#include "converters/convert.hpp"
#include "graph/attributes.hpp"
#include "graph/metadata.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/converters/messages.hpp"

namespace rdi::convert {
namespace {

onnx::ModelProto trained(uint64_t seed, int64_t heldOut = 5000) {
  auto model = zoo::build("rdi-smallcnn", seed);
  graph::Metadata metadata;
  metadata.recipe = {{"held_out", heldOut}, {"held_out_seed", 1}, {"epochs", seed}};
  metadata.results = {{"accuracy", 0.99}};
  graph::writeMetadata(model, metadata);
  return model;
}

std::vector<float> weight(const onnx::ModelProto& model, int index) {
  return graph::floatValues(model.graph().initializer(index));
}

TEST(Average, IsTheMeanOfEveryWeight) {
  const auto a = trained(1), b = trained(2), c = trained(3);
  const auto mean = average({{"a.onnx", a}, {"b.onnx", b}, {"c.onnx", c}});
  ASSERT_EQ(mean.graph().initializer_size(), a.graph().initializer_size());
  for (int i = 0; i < mean.graph().initializer_size(); ++i) {
    const auto wa = weight(a, i), wb = weight(b, i), wc = weight(c, i), found = weight(mean, i);
    ASSERT_EQ(found.size(), wa.size());
    for (size_t k = 0; k < found.size(); ++k)
      EXPECT_NEAR(found[k], (double(wa[k]) + wb[k] + wc[k]) / 3, 1e-7);
  }
}

TEST(Average, OfAModelAndItselfIsThatModel) {
  const auto a = trained(1);
  const auto mean = average({{"a.onnx", a}, {"a.onnx", a}});
  for (int i = 0; i < mean.graph().initializer_size(); ++i) EXPECT_EQ(weight(mean, i), weight(a, i));
}

TEST(Average, RemembersWhatWasHeldOutAndForgetsWhatWasMeasured) {
  const auto mean = average({{"runs/a.onnx", trained(1)}, {"runs/b.onnx", trained(2)}});
  const auto metadata = graph::readMetadata(mean);
  EXPECT_EQ(metadata.recipe.at("held_out"), 5000);
  EXPECT_EQ(metadata.recipe.at("averaged"), (nlohmann::json{"a.onnx", "b.onnx"}));
  EXPECT_TRUE(metadata.results.is_null());
  EXPECT_FALSE(metadata.rule.has_value());
  EXPECT_EQ(metadata.architecture, "rdi-smallcnn");
  const auto again = graph::readMetadata(average({{"mean.onnx", mean}, {"c.onnx", trained(3)}}));
  EXPECT_EQ(again.recipe.at("averaged"), (nlohmann::json{"mean.onnx", "c.onnx"}));
}

TEST(Average, RefusesWhatIsNoStageOfTheSameTraining) {
  const auto a = trained(1);
  test::expectRefused([&] { average({{"a.onnx", a}}); }, {"found one model", "two or more"});
  test::expectRefused(
      [&] {
        average({{"a.onnx", a}, {"big.onnx", zoo::build("rdi-resnet38")}});
      },
      {"big.onnx: ", "a.onnx", "layers or exits are others"});
  test::expectRefused(
      [&] {
        average({{"a.onnx", a}, {"b.onnx", trained(2, 1000)}});
      },
      {"b.onnx: ", "held out other images", "1000", "5000"});
  ConvertOptions options;
  options.thresholds = {0.5f, 0.5f};
  const auto early = toEarlyExit(a, "a.onnx", options);
  test::expectRefused(
      [&] {
        average({{"early.onnx", early}, {"a.onnx", a}});
      },
      {"early.onnx: ", "early-exit file"});
  test::expectRefused(
      [&] {
        average({{"a.onnx", a}, {"early.onnx", early}});
      },
      {"early.onnx: ", "early-exit file"});
  auto wide = trained(2);
  wide.mutable_graph()->mutable_initializer(0)->set_dims(0, 7);
  test::expectRefused(
      [&] {
        average({{"a.onnx", a}, {"wide.onnx", wide}});
      },
      {"wide.onnx: ", a.graph().initializer(0).name(), "7"});
  auto renamed = trained(2);
  renamed.mutable_graph()->mutable_initializer(0)->set_name("other");
  test::expectRefused([&] { average({{"a.onnx", a}, {"renamed.onnx", renamed}}); }, {"has no tensor"});
}

}  // namespace
}  // namespace rdi::convert
