// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// Models of other exporters as they are read: in one form, with the same answers.

#include <gtest/gtest.h>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/normal_form.hpp"
#include "graph/shapes.hpp"
#include "graph/simplify.hpp"
#include "tests/graph/foreign_models.hpp"
#include "tests/graph/naive_run.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi {

namespace test {
// GoogleTest prints a parameter that fails.
void PrintTo(const ForeignModel& model, std::ostream* stream) { *stream << model.name; }
}  // namespace test

namespace {

onnx::ModelProto read(const onnx::ModelProto& model) {
  const std::string bytes = graph::serialize(model);
  return graph::parseModel(bytes.data(), bytes.size(), "foreign.onnx");
}

/// One batch of one picture, as the model and as its normal form take it.
struct Pictures {
  test::Tensor foreign, normal;
};

Pictures picturesFor(const test::ForeignModel& foreign, const onnx::ModelProto& model) {
  const auto shape = graph::inputShape(model);
  const auto batch = test::randomInput({1, shape[0], shape[1], shape[2]}, 11);
  return {foreign.channelsLast ? test::channelsLast(batch) : batch, batch};
}

/// Scores by exit; N x C x 1 x 1 counts as N x C.
test::Tensor scoresOf(const std::map<std::string, test::Tensor>& tensors, const std::string& exit) {
  test::Tensor scores = tensors.at(exit);
  scores.shape.resize(2);
  return scores;
}

using Parameter = std::tuple<test::ForeignModel, int64_t>;

class ForeignExport : public testing::TestWithParam<Parameter> {};

TEST_P(ForeignExport, GivesTheSameScoresInNormalFormAndSimplified) {
  const auto& [foreign, opset] = GetParam();
  const onnx::ModelProto original = foreign.make(opset);
  const onnx::ModelProto normal = read(original);
  const Pictures pictures = picturesFor(foreign, normal);
  const auto expected = test::runNaively(original, pictures.foreign);
  onnx::ModelProto simplified = normal;
  graph::simplify(simplified);
  const auto exits = graph::exitNames(original);
  ASSERT_EQ(graph::exitNames(normal), exits);
  for (const auto& [form, model] : {std::pair{"normal form", &normal}, {"simplified", &simplified}}) {
    const auto found = test::runNaively(*model, pictures.normal);
    for (const auto& exit : exits)
      EXPECT_LT(test::relativeDifference(scoresOf(expected, exit), scoresOf(found, exit)), 1e-5)
          << form << ", " << exit;
  }
}

TEST_P(ForeignExport, IsReadAsItsOwnNormalForm) {
  const auto& [foreign, opset] = GetParam();
  const onnx::ModelProto once = read(foreign.make(opset));
  EXPECT_EQ(graph::serialize(read(once)), graph::serialize(once));
}

INSTANTIATE_TEST_SUITE_P(EveryOpset, ForeignExport,
                         testing::Combine(testing::ValuesIn(test::foreignModels()),
                                          testing::ValuesIn(test::foreignOpsets())),
                         [](const auto& parameter) {
                           return std::get<0>(parameter.param).name + "Opset" +
                                  std::to_string(std::get<1>(parameter.param));
                         });

TEST(NormalForm, LeavesNoTransposeOfAnotherLayoutAndNoComputedShape) {
  for (const auto& foreign : test::foreignModels()) {
    if (foreign.name == "TorchShuffleNet") continue;  // shuffles channels by one
    for (const int64_t opset : test::foreignOpsets()) {
      const auto model = read(foreign.make(opset));
      for (const char* type : {"Transpose", "Shape", "Gather", "Unsqueeze"}) {
        if (foreign.name == "TorchSqueezeNet" && std::string(type) == "Unsqueeze") continue;  // of a row
        EXPECT_EQ(test::countNodes(model, type), 0) << foreign.name << ", opset " << opset << ": " << type;
      }
    }
  }
}

TEST(NormalForm, TakesPicturesWithChannelsFirst) {
  for (const auto& foreign : test::foreignModels()) {
    const auto shape = graph::inputShape(read(foreign.make(11)));
    EXPECT_TRUE(shape[0] == 1 || shape[0] == 3) << foreign.name << ": " << graph::toString(shape);
  }
}

size_t countOf(const graph::Shape& shape) {
  size_t count = 1;
  for (const int64_t size : shape) count *= static_cast<size_t>(size);
  return count;
}

// An initializer that has a node's output's name, with other axes: found by the fuzzers.
TEST(NormalForm, OfAFileThatNamesTwoThingsAlikeIsRefusedOrMade) {
  for (const auto& foreign : test::foreignModels()) {
    const auto model = foreign.make(13);
    for (const auto& node : model.graph().node())
      for (const graph::Shape& shape : {graph::Shape{3}, graph::Shape{2, 2}, graph::Shape{1, 2, 3, 4, 5}}) {
        auto damaged = model;
        *damaged.mutable_graph()->add_initializer() =
            graph::floatTensor(node.output(0), shape,
                               std::vector<float>(shape == graph::Shape{3} ? 3
                                                  : shape.size() == 2      ? 4
                                                                           : 120));
        try {
          graph::toNormalForm(damaged);
        } catch (const Error&) {  // all that may happen
        }
      }
  }
}

TEST(NormalForm, OfAFileWhoseInitializersAreInputsMayHaveOthers) {
  const auto model = read(test::foreignModels().back().make(7));
  EXPECT_GE(model.ir_version(), 4);
  EXPECT_EQ(graph::inputName(model), "input.1");
}

}  // namespace
}  // namespace rdi
