// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/attach.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "converters/convert.hpp"
#include "graph/attributes.hpp"
#include "graph/cost.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/converters/messages.hpp"
#include "tests/graph/foreign_models.hpp"
#include "tests/graph/naive_run.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::convert {
namespace {

using Names = std::vector<std::string>;
using test::ToyModel;

constexpr int kLayers = 8;

/// relu1, relu2, ... relu8: layers of one size and cost, of which the first reads the picture.
onnx::ModelProto chain() {
  ToyModel toy({8, 8, 8});
  std::string x = "image";
  for (int layer = 1; layer <= kLayers; ++layer)
    x = toy.relu(toy.conv(x, 8, 8, "conv" + std::to_string(layer)), "relu" + std::to_string(layer));
  toy.exit(x, 8, "main");
  return toy.model();
}

/// relu1, a residual block (inner, joined), a dense one (dense1, dense2 and all before them are read by
/// `all`), relu4.
onnx::ModelProto blocks() {
  ToyModel toy({3, 12, 12});
  const auto first = toy.relu(toy.conv("image", 3, 8, "conv1"), "relu1");
  toy.node("Add", {toy.conv(toy.relu(toy.conv(first, 8, 8, "conv2"), "inner"), 8, 8, "conv3"), first}, "sum");
  const auto joined = toy.relu("sum", "joined");
  const auto dense1 = toy.relu(toy.conv(joined, 8, 4, "conv4"), "dense1");
  graph::setAttribute(toy.node("Concat", {joined, dense1}, "both"), "axis", int64_t{1});
  const auto dense2 = toy.relu(toy.conv("both", 12, 4, "conv5"), "dense2");
  graph::setAttribute(toy.node("Concat", {joined, dense1, dense2}, "all"), "axis", int64_t{1});
  toy.exit(toy.relu(toy.conv("all", 16, 8, "conv6"), "relu4"), 8, "main");
  return toy.model();
}

AttachOptions at(const Names& tensors, double share = 1) {
  AttachOptions options;
  options.at = tensors;
  options.share = share;
  return options;
}

AttachOptions exits(size_t count, double share = 1) {
  AttachOptions options;
  options.exits = count;
  options.share = share;
  return options;
}

Names tensorsOf(const Attached& attached) {
  Names names;
  for (const auto& exit : attached.exits) names.push_back(exit.point.tensor);
  return names;
}

test::Tensor pictureFor(const onnx::ModelProto& model) {
  const auto shape = graph::inputShape(model);
  return test::randomInput({1, shape[0], shape[1], shape[2]}, 5);
}

/// Scores of an exit alone.
test::Tensor scoresOf(const onnx::ModelProto& model, const std::string& exit, const test::Tensor& picture) {
  return test::runNaively(model, picture).at(exit);
}

void expectRefused(const onnx::ModelProto& model, const AttachOptions& options, Names words) {
  words.insert(words.begin(), "net.onnx: ");
  test::expectRefused([&] { attachExits(model, "net.onnx", options); }, words);
}

TEST(Attach, PutsExitsAtEqualDistancesInCost) {
  EXPECT_EQ(tensorsOf(attachExits(chain(), "net.onnx", exits(1))), (Names{"relu4"}));
  EXPECT_EQ(tensorsOf(attachExits(chain(), "net.onnx", exits(3))), (Names{"relu2", "relu4", "relu6"}));
  EXPECT_EQ(tensorsOf(attachExits(chain(), "net.onnx", exits(7))),
            (Names{"relu1", "relu2", "relu3", "relu4", "relu5", "relu6", "relu7"}));
}

TEST(Attach, PutsExitsWhereOneTensorHoldsAllThatFollows) {
  for (const auto& point : attachPoints(blocks()))
    EXPECT_TRUE(point.tensor == "relu1" || point.tensor == "joined" || point.tensor == "all") << point.tensor;
  EXPECT_EQ(tensorsOf(attachExits(blocks(), "net.onnx", exits(2))), (Names{"joined", "all"}));
}

TEST(Attach, KeepsTheOrderInWhichTensorsAreNamed) {
  const auto attached = attachExits(chain(), "net.onnx", at({"relu6", "relu2"}));
  EXPECT_EQ(tensorsOf(attached), (Names{"relu6", "relu2"}));
  EXPECT_EQ(graph::exitNames(attached.model), (Names{"exit1", "exit2", "main"}));
  EXPECT_GT(attached.exits[0].point.macs, attached.exits[1].point.macs);
}

TEST(Attach, LeavesEveryWeightAndTheMainExitAsTheyAre) {
  for (const auto& model : {chain(), blocks()}) {
    const auto attached = attachExits(model, "net.onnx", exits(2));
    for (const auto& tensor : model.graph().initializer())
      EXPECT_EQ(graph::findInitializer(attached.model.graph(), tensor.name())->SerializeAsString(),
                tensor.SerializeAsString());
    const auto picture = pictureFor(model);
    EXPECT_EQ(scoresOf(attached.model, "main", picture).values, scoresOf(model, "main", picture).values);
  }
}

TEST(Attach, TakesTensorsInsideABlock) {
  const auto attached = attachExits(blocks(), "net.onnx", at({"inner", "dense1", "dense2"}));
  const auto picture = pictureFor(attached.model);
  ConvertOptions options;
  options.thresholds = {-INFINITY, -INFINITY, -INFINITY};
  EXPECT_TRUE(graph::isEarlyExit(toEarlyExit(attached.model, "net.onnx", options)));
  // Cut into pieces, several tensors across a cut, it computes the same.
  std::map<std::string, test::Tensor> tensors{{"image", picture}};
  for (const char* part : {"stage1", "exit1", "stage2", "exit2", "stage3", "exit3", "main"}) {
    const auto piece = toPart(attached.model, "net.onnx", {}, part);
    std::map<std::string, test::Tensor> inputs;
    for (const auto& input : piece.graph().input()) inputs[input.name()] = tensors.at(input.name());
    for (auto& [name, tensor] : test::runNaively(piece, inputs)) tensors[name] = tensor;
  }
  for (const auto& exit : graph::exitNames(attached.model))
    EXPECT_LT(test::relativeDifference(scoresOf(attached.model, exit, picture), tensors.at(exit)), 1e-5)
        << exit;
}

TEST(Attach, KeepsToTheBudget) {
  const auto model = zoo::build("resnet20");
  for (const double share : {0.01, 0.03, 0.2}) {
    const auto attached = attachExits(model, "net.onnx", exits(3, share));
    int64_t macs = 0;
    for (const auto& exit : attached.exits) macs += exit.macs;
    EXPECT_LE(static_cast<double>(macs), share * static_cast<double>(attached.backboneMacs));
    EXPECT_GE(static_cast<double>(macs), 0.6 * share * static_cast<double>(attached.backboneMacs));
    EXPECT_EQ(macs + attached.backboneMacs,
              graph::exitCosts(attached.model, graph::exitNames(attached.model)).back().paid.total());
  }
}

TEST(Attach, EndsInSoftmaxWhereTheModelDoes) {
  ToyModel toy({8, 8, 8});
  const auto features = toy.relu(toy.conv("image", 8, 8, "conv1"), "relu1");
  toy.node("GlobalAveragePool", {toy.relu(toy.conv(features, 8, 8, "conv2"), "relu2")}, "pooled");
  toy.node("Flatten", {"pooled"}, "flat");
  toy.node("Softmax", {toy.linear("flat", 8, 4, "logits")}, "main");
  toy.output("main");
  const auto attached = attachExits(toy.model(), "net.onnx", at({"relu1"}));
  const auto scores = scoresOf(attached.model, "exit1", pictureFor(attached.model));
  double sum = 0;
  for (const double value : scores.values) sum += value;
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(Attach, ReadsFlatFeaturesToo) {
  ToyModel toy({3, 8, 8});
  toy.node("GlobalAveragePool", {toy.relu(toy.conv("image", 3, 8, "conv1"), "relu1")}, "pooled");
  toy.node("Flatten", {"pooled"}, "flat");
  toy.relu(toy.linear("flat", 8, 64, "wide"), "hidden");
  toy.linear("hidden", 64, 4, "main");
  toy.output("main");
  const auto attached = attachExits(toy.model(), "net.onnx", at({"flat"}));
  EXPECT_EQ(scoresOf(attached.model, "exit1", pictureFor(attached.model)).shape, (graph::Shape{1, 4}));
}

TEST(Attach, WorksOnModelsOfEveryExporter) {
  for (const auto& foreign : test::foreignModels())
    for (const int64_t opset : {7, 13}) {
      auto model = foreign.make(opset);
      const auto own = graph::exitNames(model).back();
      model.mutable_graph()->mutable_output()->DeleteSubrange(0, model.graph().output_size() - 1);
      const std::string bytes = graph::serialize(model);
      const auto single = graph::parseModel(bytes.data(), bytes.size(), foreign.name);
      SCOPED_TRACE(foreign.name);
      const auto attached = attachExits(single, "net.onnx", exits(1));
      EXPECT_EQ(graph::exitNames(attached.model), (Names{"exit1", own}));
      const auto picture = pictureFor(single);
      const auto expected =
          test::runNaively(model, foreign.channelsLast ? test::channelsLast(picture) : picture).at(own);
      auto found = scoresOf(attached.model, own, picture);
      found.shape = expected.shape;
      EXPECT_LT(test::relativeDifference(expected, found), 1e-5);
    }
}

TEST(Attach, PutsTheNormalizationThatTheNetworkWasFedIntoTheGraph) {
  const auto model = blocks();
  AttachOptions options = at({"relu1"});
  options.mean = {125.3f, 123.0f, 113.9f};
  options.deviation = {63.0f, 62.1f, 66.7f};
  const auto attached = attachExits(model, "net.onnx", options);
  const auto picture = pictureFor(model);
  auto fed = picture;
  for (size_t i = 0; i < fed.values.size(); ++i) {
    const size_t channel = i / 144;
    fed.values[i] = (fed.values[i] * 255 - options.mean[channel]) / options.deviation[channel];
  }
  EXPECT_LT(test::relativeDifference(scoresOf(model, "main", fed), scoresOf(attached.model, "main", picture)),
            1e-5);
  const auto preprocessing = graph::readMetadata(attached.model).preprocessing.value();
  EXPECT_NEAR(preprocessing.scale * 255, 1, 1e-6);
  EXPECT_TRUE(preprocessing.mean.empty());
}

TEST(Attach, TakesTheNormalizationThatTheFileRecords) {
  auto model = blocks();
  graph::Metadata metadata;
  metadata.preprocessing.emplace();
  metadata.preprocessing->scale = 1;
  metadata.preprocessing->mean = {100, 110, 120};
  graph::writeMetadata(model, metadata);
  const auto attached = attachExits(model, "net.onnx", at({"relu1"}));
  const auto picture = pictureFor(model);
  auto fed = picture;
  for (size_t i = 0; i < fed.values.size(); ++i)
    fed.values[i] = fed.values[i] * 255 - metadata.preprocessing->mean[i / 144];
  EXPECT_LT(test::relativeDifference(scoresOf(model, "main", fed), scoresOf(attached.model, "main", picture)),
            1e-4);
}

TEST(Attach, NamesTheNearestTensorWhenThereIsNone) {
  expectRefused(chain(), at({"rellu3"}), {"'rellu3'", "no such tensor", "did you mean relu3?", "relu4"});
}

TEST(Attach, RefusesANetworkWhoseAnswerDoesNotDependOnThePicture) {
  ToyModel toy({3, 8, 8});
  toy.node("Relu", {toy.weights("weights", {1, 8})}, "activated");
  toy.linear("activated", 8, 4, "main");
  toy.output("main");
  expectRefused(toy.model(), exits(1), {"has 0 points"});
}

TEST(Attach, RefusesTensorsThatNoBranchCanRead) {
  ToyModel toy({3, 8, 8});
  toy.node("Relu", {toy.weights("weights", {1, 8, 4, 4})}, "activated");
  toy.node("GlobalAveragePool", {toy.relu(toy.conv("image", 3, 8, "conv1"), "relu1")}, "pooled");
  auto& reshape = toy.node("Squeeze", {"pooled"}, "vector");
  graph::setAttribute(reshape, "axes", graph::Shape{3});
  toy.node("Flatten", {"vector"}, "flat");
  toy.linear("flat", 8, 4, "main");
  toy.output("main");
  expectRefused(toy.model(), at({"activated"}), {"'activated'", "does not depend on the picture"});
  expectRefused(toy.model(), at({"vector"}), {"'vector'", "it is 1x8x1", "N x C x H x W or N x F"});
  expectRefused(toy.model(), at({"main"}), {"'main'", "the network's own output"});
}

TEST(Attach, RefusesMoreExitsThanThereArePoints) {
  expectRefused(chain(), exits(8), {"has 7 points", "relu1, relu2", "at least 8", "--exits", "--at"});
}

TEST(Attach, RefusesABudgetThatIsTooSmallForAnyBranch) {
  expectRefused(chain(), at({"relu2"}, 1e-6), {"smallest branch", "'relu2'", "MMAC", "--budget"});
}

TEST(Attach, RefusesModelsThatAreNoSingleExitClassifiers) {
  expectRefused(test::tinyMultiExit(), exits(1), {"has 3 outputs already", "one exit"});
  ConvertOptions options;
  options.thresholds = {1, 1};
  expectRefused(toEarlyExit(test::tinyMultiExit(), "", options), exits(1), {"is an early-exit file"});
}

TEST(Attach, RefusesANormalizationThatDoesNotFitTheChannels) {
  AttachOptions options = at({"relu1"});
  options.mean = {1, 2};
  expectRefused(blocks(), options, {"--mean has 2 values for 3 channels"});
  options.mean = {1};
  options.deviation = {0};
  expectRefused(blocks(), options, {"--std is 0", "above 0"});
}

TEST(Attach, RefusesNamesThatItsBranchesNeed) {
  ToyModel toy({3, 8, 8});
  toy.relu(toy.conv("image", 3, 8, "conv1"), "exit1");
  toy.exit("exit1", 8, "main");
  expectRefused(toy.model(), at({"exit1"}), {"exit1"});
}

TEST(Attach, SameSeedSameBranches) {
  auto options = exits(2);
  const auto once = graph::serialize(attachExits(chain(), "net.onnx", options).model);
  EXPECT_EQ(graph::serialize(attachExits(chain(), "net.onnx", options).model), once);
  options.seed = 2;
  EXPECT_NE(graph::serialize(attachExits(chain(), "net.onnx", options).model), once);
}

}  // namespace
}  // namespace rdi::convert
