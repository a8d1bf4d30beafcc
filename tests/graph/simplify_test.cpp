// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/simplify.hpp"

#include <gtest/gtest.h>
#include <onnx/checker.h>

#include <opencv2/dnn.hpp>

#include "graph/attributes.hpp"
#include "graph/cost.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/graph/naive_run.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::graph {
namespace {

using test::countNodes;
using test::ToyModel;

/// Simplified copy; checks that it is valid, gives the same scores in our naive runner (exact arithmetic but
/// for the float32 rounding of folded weights) and in OpenCV, keeps its outputs, and that a second pass
/// changes nothing.
onnx::ModelProto simplified(const onnx::ModelProto& model) {
  onnx::ModelProto result = model;
  simplify(result);
  EXPECT_NO_THROW(onnx::checker::check_model(result));
  EXPECT_EQ(exitNames(result), exitNames(model));
  const Shape image = inputShape(model);
  const auto input = test::randomInput({2, image[0], image[1], image[2]}, 9);
  const auto before = test::runNaively(model, input), after = test::runNaively(result, input);
  const std::string bytes = serialize(result);
  auto net = cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
  const int sizes[] = {2, static_cast<int>(image[0]), static_cast<int>(image[1]), static_cast<int>(image[2])};
  cv::Mat blob(4, sizes, CV_32F);
  std::copy(input.values.begin(), input.values.end(), blob.ptr<float>());
  for (const auto& exit : exitNames(model)) {
    EXPECT_LT(test::relativeDifference(before.at(exit), after.at(exit)), 1e-5) << exit;
    net.setInput(blob);
    const cv::Mat out = net.forward(exit);
    EXPECT_LT(test::relativeDifference(before.at(exit),
                                       {{out.rows, out.cols}, {out.begin<float>(), out.end<float>()}}),
              1e-4)
        << exit << " in OpenCV";
  }
  onnx::ModelProto again = result;
  simplify(again);
  EXPECT_EQ(serialize(again), serialize(result));
  return result;
}

TEST(Simplify, TheZooLosesNormalisationAndDropoutAndGivesTheSame) {
  for (const auto& name : zoo::architectures()) {
    SCOPED_TRACE(name);
    auto model = zoo::build(name);
    test::randomizeWeights(model, 4);
    const auto result = simplified(model);
    EXPECT_EQ(countNodes(result, "Dropout"), 0);
    // RDI-MobileNetV2's first head normalises the end of a block: the convolution before it has one reader
    // too.
    EXPECT_EQ(countNodes(result, "BatchNormalization"), 0);
    EXPECT_EQ(countNodes(result, "Conv"), countNodes(model, "Conv"));
    EXPECT_LE(modelMacs(result).total(), modelMacs(model).total());
  }
}

TEST(Simplify, LinearLayersWithoutActivationBetweenBecomeOne) {
  auto model = zoo::build("rdi-smallcnn");
  test::randomizeWeights(model, 4);
  const auto result = simplified(model);
  EXPECT_EQ(countNodes(model, "Gemm"), 9);
  EXPECT_EQ(countNodes(result, "Gemm"), 5);  // one in each branch, three with ReLU between in the main exit
  // 576 -> 10 in place of 576 -> 200 -> 200 -> 10, and 1600 -> 10 likewise.
  EXPECT_EQ(modelMacs(model).linear - modelMacs(result).linear, (157200 - 5760) + (362000 - 16000));
}

TEST(Simplify, ComposesOnlyWhereThatIsCheaper) {
  ToyModel toy;
  toy.node("Flatten", {"image"}, "flat");
  toy.linear(toy.linear("flat", 192, 2, "narrow"), 2, 50, "wide");  // 192*2 + 2*50 < 192*50
  toy.output("wide", 50);
  EXPECT_EQ(countNodes(simplified(toy.model()), "Gemm"), 2);
}

TEST(Simplify, FoldsNormalisationIntoConvWithBiasAndIntoGemmOfEitherOrientation) {
  ToyModel toy;
  toy.conv("image", 3, 4, "conv");
  toy.model().mutable_graph()->mutable_node(0)->add_input(toy.weights("conv.bias", {4}));
  toy.batchNorm("conv", 4, "bn");
  toy.node("GlobalAveragePool", {"bn"}, "pooled");
  toy.node("Flatten", {"pooled"}, "flat");
  toy.batchNorm(toy.linear("flat", 4, 6, "fc"), 6, "bn2");
  toy.relu("bn2", "act");
  toy.node("Gemm", {"act", toy.weights("plain.weight", {6, 4})}, "plain");
  toy.batchNorm("plain", 4, "main");
  toy.output("main");
  EXPECT_EQ(countNodes(simplified(toy.model()), "BatchNormalization"), 0);
}

TEST(Simplify, KeepsNormalisationWhereTheConvHasASecondReader) {
  ToyModel toy;
  toy.conv("image", 3, 4, "conv");
  toy.node("Add", {toy.batchNorm("conv", 4, "bn"), "conv"}, "sum");
  toy.exit("sum", 4, "main");
  EXPECT_EQ(countNodes(simplified(toy.model()), "BatchNormalization"), 1);
}

TEST(Simplify, KeepsNormalisationOfAnExitThatIsReadAsIs) {
  ToyModel toy;
  toy.exit("image", 3, "exit1");
  toy.batchNorm("exit1", 4, "main");
  toy.output("main");
  EXPECT_EQ(countNodes(simplified(toy.model()), "BatchNormalization"), 1);
}

TEST(Simplify, LeavesAWeightThatIsSharedWithAnotherConvAlone) {
  ToyModel toy;
  const auto first = toy.conv("image", 3, 3, "conv");
  auto& second =
      toy.node("Conv", {first, "conv.weight"}, "again");  // the same weights, normalised afterwards
  setAttribute(second, "pads", Shape{1, 1, 1, 1});
  toy.exit(toy.batchNorm("again", 3, "bn"), 3, "main");
  const auto result = simplified(toy.model());
  EXPECT_EQ(countNodes(result, "BatchNormalization"), 0);
  EXPECT_EQ(countNodes(result, "Conv"), 2);
}

TEST(Simplify, IdentityOfAnInitializerBecomesTheInitializer) {
  ToyModel toy;
  toy.conv("image", 3, 3, "conv");
  toy.node("Identity", {"conv.weight"}, "shared.weight");
  auto& second = toy.node("Conv", {"conv", "shared.weight"}, "again");
  setAttribute(second, "pads", Shape{1, 1, 1, 1});
  toy.exit("again", 3, "main");
  EXPECT_EQ(countNodes(simplified(toy.model()), "Identity"), 0);
}

TEST(Simplify, ConstantNodesBecomeInitializers) {
  ToyModel toy;
  auto& constant = toy.node("Constant", {}, "weight");
  auto* value = constant.add_attribute();
  value->set_name("value");
  value->set_type(onnx::AttributeProto::TENSOR);
  *value->mutable_t() = floatTensor("", {4, 3, 1, 1}, {1, 2, 3, 4, 5, 6, -7, 8, 9, -1, 2, 3});
  toy.node("Conv", {"image", "weight"}, "conv");
  toy.exit("conv", 4, "main");
  const auto result = simplified(toy.model());
  EXPECT_EQ(countNodes(result, "Constant"), 0);
  EXPECT_NE(findInitializer(result.graph(), "weight"), nullptr);
}

TEST(Simplify, OutputsKeepTheirNamesThroughIdentityAndDropout) {
  ToyModel toy;
  toy.node("GlobalAveragePool", {"image"}, "pooled");
  toy.node("Flatten", {"pooled"}, "flat");
  toy.linear("flat", 3, 4, "scores");
  toy.node("Dropout", {"scores"}, "exit1");
  toy.node("Relu", {"scores"}, "act");
  toy.node("Identity", {"act"}, "main");
  toy.output("exit1");
  toy.output("main");
  const auto result = simplified(toy.model());
  EXPECT_EQ(countNodes(result, "Identity") + countNodes(result, "Dropout"), 0);
}

TEST(Simplify, TwoOutputsOfOneTensorBothStay) {
  ToyModel toy;
  toy.exit("image", 3, "exit1");
  toy.node("Identity", {"exit1"}, "main");
  toy.output("main");
  EXPECT_EQ(countNodes(simplified(toy.model()), "Identity"), 1);
}

TEST(Simplify, MatMulPlusRowBecomesOneGemm) {
  ToyModel toy;
  toy.node("Flatten", {"image"}, "flat");
  toy.node("MatMul", {"flat", toy.weights("w", {192, 4})}, "product");
  toy.node("Add", {"product", toy.weights("b", {4})}, "main");
  toy.output("main");
  const auto result = simplified(toy.model());
  EXPECT_EQ(countNodes(result, "MatMul"), 0);
  EXPECT_EQ(countNodes(result, "Gemm"), 1);
}

TEST(Simplify, RemovesWhatNoOutputNeeds) {
  ToyModel toy;
  toy.exit("image", 3, "main");
  toy.relu(toy.conv("image", 3, 64, "unused"), "unused2");
  toy.weights("nobody", {7});
  const auto result = simplified(toy.model());
  EXPECT_EQ(result.graph().node_size(), 3);
  EXPECT_EQ(result.graph().initializer_size(), 2);
}

TEST(Simplify, KeepsTheRecordedShapesOfWhatIsLeftAndNoOthers) {
  auto model = test::tinyMultiExit();
  setBatch(model, 1);
  for (const auto& [name, shape] : inferShapes(model)) {
    auto& value = *model.mutable_graph()->add_value_info();
    value.set_name(name);
    value.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    for (const int64_t size : shape)
      value.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(size);
  }
  simplify(model);
  const auto recorded = recordedShapes(model), inferred = inferShapes(model);
  for (const auto& node : model.graph().node())
    EXPECT_EQ(recorded.at(node.output(0)), inferred.at(node.output(0))) << node.output(0);
  EXPECT_EQ(recorded.count("conv1"), 0u);  // its normalisation went into it, under the name of bn1
  EXPECT_EQ(recorded.count("bn1"), 1u);
}

}  // namespace
}  // namespace rdi::graph
