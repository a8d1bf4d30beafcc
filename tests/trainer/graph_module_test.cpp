// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/graph_module.hpp"

#include <gtest/gtest.h>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/graph/naive_run.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/model_fit.hpp"

namespace rdi::train {
namespace {

using graph::floatTensor;
using graph::intTensor;
using test::modelOf;
using test::node;
using torch::Tensor;

// y of a model of the nodes given, for input x.
Tensor run(const std::vector<onnx::NodeProto>& nodes, const std::vector<onnx::TensorProto>& weights,
           const Tensor& x, int64_t opset = 11, const ForwardMode& mode = {}) {
  GraphModule module(modelOf(nodes, weights, {0, 1, 1, 1}, {"y"}, opset));
  torch::NoGradGuard noGradient;
  return module.forward(x, mode)[0];
}

std::vector<float> flat(const Tensor& tensor) {
  const Tensor contiguous = tensor.contiguous();
  return {contiguous.data_ptr<float>(), contiguous.data_ptr<float>() + contiguous.numel()};
}

void expectNear(const Tensor& found, const std::vector<float>& expected) {
  const std::vector<float> values = flat(found);
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_NEAR(values[i], expected[i], 1e-5F * (1 + std::abs(expected[i])));
}

// 1 2 3 / 4 5 6 / 7 8 9
Tensor nine() { return torch::arange(1, 10, torch::kFloat32).view({1, 1, 3, 3}); }

TEST(Operators, ConvWithAsymmetricPadsPadsEachSideByItsOwn) {
  onnx::NodeProto conv = node("Conv", {"x", "w", "b"}, "y");
  graph::setAttribute(conv, "pads",
                      std::vector<int64_t>{1, 0, 0, 1});  // one row on top, one column at the right
  const auto w = floatTensor("w", {1, 1, 2, 2}, {1, 2, 3, 4});
  const auto b = floatTensor("b", {1}, {10});
  // Windows of 0 0 0 0 / 1 2 3 0 / 4 5 6 0 / 7 8 9 0 under the kernel 1 2 / 3 4, plus 10.
  expectNear(run({conv}, {w, b}, nine()), {21, 28, 19, 47, 57, 31, 77, 87, 43});
}

TEST(Operators, ConvInGroupsWithDilationKeepsChannelsApart) {
  onnx::NodeProto conv = node("Conv", {"x", "w"}, "y");
  graph::setAttribute(conv, "group", int64_t{2});
  graph::setAttribute(conv, "dilations", std::vector<int64_t>{2, 2});
  const auto w = floatTensor("w", {2, 1, 2, 2}, {1, 1, 1, 1, 1, 0, 0, -1});
  // Corners: 1 + 3 + 7 + 9; second channel (10 times as large): 10 - 90.
  expectNear(run({conv}, {w}, torch::cat({nine(), nine() * 10}, 1)), {20, -80});
}

TEST(Operators, SamePaddingPutsTheOddPixelWhereItsNameSays) {
  onnx::NodeProto conv = node("Conv", {"x", "w"}, "y");
  const auto w = floatTensor("w", {1, 1, 2, 2}, {1, 0, 0, 0});
  graph::setAttribute(conv, "auto_pad", std::string("SAME_UPPER"));
  expectNear(run({conv}, {w}, nine()), {1, 2, 3, 4, 5, 6, 7, 8, 9});
  graph::setAttribute(conv, "auto_pad", std::string("SAME_LOWER"));
  expectNear(run({conv}, {w}, nine()), {0, 0, 0, 0, 1, 2, 0, 4, 5});
}

TEST(Operators, AveragePoolCountsPadsOnlyWhenAsked) {
  onnx::NodeProto pool = node("AveragePool", {"x"}, "y");
  graph::setAttribute(pool, "kernel_shape", std::vector<int64_t>{2, 2});
  graph::setAttribute(pool, "strides", std::vector<int64_t>{2, 2});
  for (const bool symmetric : {true, false}) {
    // The pads below and at the right are left over: both give the same windows.
    graph::setAttribute(pool, "pads",
                        symmetric ? std::vector<int64_t>{1, 1, 1, 1} : std::vector<int64_t>{1, 1, 0, 0});
    graph::setAttribute(pool, "count_include_pad", int64_t{0});
    expectNear(run({pool}, {}, nine()), {1, 2.5F, 5.5F, 7});
    graph::setAttribute(pool, "count_include_pad", int64_t{1});
    expectNear(run({pool}, {}, nine()), {0.25F, 1.25F, 2.75F, 7});
  }
}

TEST(Operators, MaxPoolNeverTakesAPad) {
  onnx::NodeProto pool = node("MaxPool", {"x"}, "y");
  graph::setAttribute(pool, "kernel_shape", std::vector<int64_t>{2, 2});
  graph::setAttribute(pool, "strides", std::vector<int64_t>{2, 2});
  graph::setAttribute(pool, "pads", std::vector<int64_t>{0, 0, 1, 1});
  expectNear(run({pool}, {}, -nine()), {-1, -3, -7, -9});
}

TEST(Operators, GemmFollowsItsFourAttributes) {
  onnx::NodeProto gemm = node("Gemm", {"x", "w", "c"}, "y");
  const Tensor x = torch::tensor({1.F, 2.F, 3.F, 4.F}).view({2, 2});
  const auto w = floatTensor("w", {2, 2}, {1, 10, 100, 1000});
  const auto c = floatTensor("c", {2}, {5, 7});
  expectNear(run({gemm}, {w, c}, x), {206, 2017, 408, 4037});
  graph::setAttribute(gemm, "transB", int64_t{1});
  expectNear(run({gemm}, {w, c}, x), {26, 2107, 48, 4307});
  graph::setAttribute(gemm, "transA", int64_t{1});
  expectNear(run({gemm}, {w, c}, x), {36, 3107, 47, 4207});
  graph::setAttribute(gemm, "alpha", 0.5F);
  graph::setAttribute(gemm, "beta", 2.0F);
  expectNear(run({gemm}, {w, c}, x), {25.5F, 1564, 31, 2114});
}

TEST(Operators, SoftmaxBeforeOpset13RunsOverAllThatFollowsItsAxis) {
  onnx::NodeProto softmax = node("Softmax", {"x"}, "y");
  const Tensor x = torch::zeros({1, 2, 2, 1});
  expectNear(run({softmax}, {}, x, 11), {0.25F, 0.25F, 0.25F, 0.25F});
  graph::setAttribute(softmax, "axis", int64_t{1});
  expectNear(run({softmax}, {}, x, 13), {0.5F, 0.5F, 0.5F, 0.5F});
}

TEST(Operators, ClipTakesItsLimitsFromAttributesOrInputsAndTrainsNeither) {
  const Tensor x = torch::tensor({-4.F, -1.F, 0.F, 2.F, 8.F});
  onnx::NodeProto old = node("Clip", {"x"}, "y");
  graph::setAttribute(old, "min", -2.0F);
  graph::setAttribute(old, "max", 6.0F);
  expectNear(run({old}, {}, x, 6), {-2, -1, 0, 2, 6});
  const onnx::NodeProto clip = node("Clip", {"x", "", "high"}, "y");
  const auto high = floatTensor("high", {}, {6});
  expectNear(run({clip}, {high}, x), {-4, -1, 0, 2, 6});
  EXPECT_TRUE(GraphModule(modelOf({clip}, {high}, {0, 1, 1, 1}, {"y"})).weights().empty());
}

TEST(Operators, ElementwiseFunctionsGiveTheirDefinitions) {
  const Tensor x = torch::tensor({-4.F, -1.F, 0.F, 2.F});
  expectNear(run({node("Relu", {"x"}, "y")}, {}, x), {0, 0, 0, 2});
  expectNear(run({node("LeakyRelu", {"x"}, "y")}, {}, x), {-0.04F, -0.01F, 0, 2});
  expectNear(run({node("Sigmoid", {"x"}, "y")}, {}, x), {0.01798621F, 0.26894142F, 0.5F, 0.88079708F});
  expectNear(run({node("HardSigmoid", {"x"}, "y")}, {}, x), {0, 0.3F, 0.5F, 0.9F});
  expectNear(run({node("HardSwish", {"x"}, "y")}, {}, x, 14), {0, -1.F / 3, 0, 5.F / 3});
  const auto two = floatTensor("two", {}, {2});
  expectNear(run({node("Mul", {"x", "two"}, "y")}, {two}, x), {-8, -2, 0, 4});
  expectNear(run({node("Sub", {"two", "x"}, "y")}, {two}, x), {6, 3, 2, 0});
  expectNear(run({node("Div", {"x", "two"}, "y")}, {two}, x), {-2, -0.5F, 0, 1});
}

TEST(Operators, ShapesFollowTheBatchEvenWhenTheFileFixesIt) {
  const auto shape = intTensor("shape", {2}, {1, -1});
  GraphModule module(modelOf({node("Reshape", {"x", "shape"}, "y")}, {shape}, {1, 1, 3, 3}, {"y"}));
  EXPECT_EQ(module.forward(torch::zeros({5, 1, 3, 3}), {})[0].sizes(), (torch::IntArrayRef{5, 9}));
  onnx::NodeProto transpose = node("Transpose", {"x"}, "y");
  graph::setAttribute(transpose, "perm", std::vector<int64_t>{0, 1, 3, 2});
  expectNear(run({transpose}, {}, nine()), {1, 4, 7, 2, 5, 8, 3, 6, 9});
  onnx::NodeProto mean = node("ReduceMean", {"x"}, "y");
  graph::setAttribute(mean, "axes", std::vector<int64_t>{2, 3});
  graph::setAttribute(mean, "keepdims", int64_t{0});
  expectNear(run({mean}, {}, nine()), {5});
  expectNear(run({node("GlobalAveragePool", {"x"}, "y")}, {}, nine()), {5});
  onnx::NodeProto concat = node("Concat", {"x", "x"}, "y");
  graph::setAttribute(concat, "axis", int64_t{3});
  EXPECT_EQ(run({concat}, {}, nine()).size(3), 6);
}

TEST(Operators, PadAndSliceTakeTheirNumbersFromAttributesOrInputs) {
  onnx::NodeProto oldPad = node("Pad", {"x"}, "y");
  graph::setAttribute(oldPad, "pads", std::vector<int64_t>{0, 1, 0, -1, 0, 0, 0, 0});
  graph::setAttribute(oldPad, "value", 0.5F);
  const std::vector<float> padded = {.5F, .5F, .5F, .5F, .5F, .5F, 2, 3, 5, 6, 8, 9};
  expectNear(run({oldPad}, {}, nine(), 10), padded);
  expectNear(
      run({node("Pad", {"x", "pads", "value"}, "y")},
          {intTensor("pads", {8}, {0, 1, 0, -1, 0, 0, 0, 0}), floatTensor("value", {}, {.5F})}, nine()),
      padded);
  onnx::NodeProto reflect = node("Pad", {"x", "pads"}, "y");
  graph::setAttribute(reflect, "mode", std::string("reflect"));
  EXPECT_THROW(run({reflect}, {intTensor("pads", {8}, {0, 0, 1, 1, 0, 0, 1, 1})}, nine()), Error);

  onnx::NodeProto oldSlice = node("Slice", {"x"}, "y");
  graph::setAttribute(oldSlice, "axes", std::vector<int64_t>{2, 3});
  graph::setAttribute(oldSlice, "starts", std::vector<int64_t>{1, -2});
  graph::setAttribute(oldSlice, "ends", std::vector<int64_t>{1000, -1});
  expectNear(run({oldSlice}, {}, nine(), 9), {5, 8});
  const auto ends = intTensor("ends", {2}, {1000, 1000}), starts = intTensor("starts", {2}, {0, 1});
  const auto axes = intTensor("axes", {2}, {2, -1}), back = intTensor("steps", {2}, {2, -1});
  const auto slice = node("Slice", {"x", "starts", "ends", "axes", "steps"}, "y");
  expectNear(run({slice}, {starts, ends, axes, intTensor("steps", {2}, {2, 2})}, nine()), {2, 8});
  EXPECT_THROW(run({slice}, {starts, ends, axes, back}, nine()), Error);
}

TEST(Operators, BatchNormalizationNormalisesByTheBatchInTrainingAndMovesItsStatistics) {
  onnx::NodeProto norm = node("BatchNormalization", {"x", "scale", "shift", "mean", "variance"}, "y");
  graph::setAttribute(norm, "epsilon", 0.0F);
  GraphModule module(modelOf({norm},
                             {floatTensor("scale", {1}, {2}), floatTensor("shift", {1}, {3}),
                              floatTensor("mean", {1}, {1}), floatTensor("variance", {1}, {4})},
                             {0, 1, 1, 1}, {"y"}));
  ASSERT_EQ(module.trainable().size(), 2U);
  const Tensor x = torch::tensor({1.F, 3.F}).view({2, 1, 1, 1});
  const auto statistic = [&](size_t i) { return module.weights()[i].value.item<float>(); };
  torch::NoGradGuard noGradient;
  expectNear(module.forward(x, ForwardMode::evaluation())[0], {3, 5});  // 2 (x - 1) / 2 + 3
  const ForwardMode untouched{/*batchStatistics=*/true, /*updateStatistics=*/false, /*dropout=*/false};
  expectNear(module.forward(x, untouched)[0], {1, 5});  // 2 (x - 2) / 1 + 3
  EXPECT_EQ(statistic(2), 1);
  EXPECT_EQ(statistic(3), 4);
  expectNear(module.forward(x, ForwardMode::training())[0], {1, 5});
  EXPECT_NEAR(statistic(2), 1.1F, 1e-6);  // 0.9 * 1 + 0.1 * 2
  EXPECT_NEAR(statistic(3), 3.8F, 1e-6);  // 0.9 * 4 + 0.1 * 2: the unbiased variance, as PyTorch
}

TEST(Operators, DropoutDropsInTrainingOnly) {
  const auto ratio = floatTensor("ratio", {}, {0.25F});
  const std::vector<onnx::NodeProto> nodes = {node("Dropout", {"x", "ratio"}, "y")};
  const Tensor x = torch::ones({100, 100});
  EXPECT_TRUE(torch::equal(run(nodes, {ratio}, x, 12), x));
  torch::manual_seed(1);
  const Tensor dropped = run(nodes, {ratio}, x, 12, ForwardMode::training());
  // 10000 draws: five standard deviations of the mean are 0.022.
  EXPECT_NEAR((dropped == 0).to(torch::kFloat32).mean().item<float>(), 0.25F, 0.022F);
  EXPECT_NEAR(dropped.max().item<float>(), 1 / 0.75F, 1e-6);
}

TEST(Operators, AnUnknownOneIsRefusedByOperatorAndNode) {
  try {
    GraphModule module(modelOf({node("Einsum", {"x"}, "y")}, {}, {0, 1, 1, 1}, {"y"}));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Einsum"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("the_y"), std::string::npos);
  }
  EXPECT_THROW(GraphModule(modelOf({node("Relu", {"nobody"}, "y")}, {}, {0, 1, 1, 1}, {"y"})), Error);
  EXPECT_THROW(GraphModule(modelOf({node("Relu", {"x"}, "y")}, {}, {0, 1, 1, 1}, {"z"})), Error);
  onnx::NodeProto volume = node("MaxPool", {"x"}, "y");
  graph::setAttribute(volume, "kernel_shape", std::vector<int64_t>{2, 2, 2});
  EXPECT_THROW(GraphModule(modelOf({volume}, {}, {0, 1, 1, 1}, {"y"})), Error);
}

TEST(GraphModule, ConstantNodesStayAsTheyAreAndInitializersAreTrained) {
  onnx::NodeProto constant = node("Constant", {}, "two");
  onnx::AttributeProto& value = *constant.add_attribute();
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  *value.mutable_t() = floatTensor("", {}, {2});
  GraphModule module(modelOf({constant, node("Mul", {"x", "two"}, "m"), node("Add", {"m", "w"}, "y")},
                             {floatTensor("w", {1}, {5})}, {0, 1, 1, 1}, {"y"}));
  EXPECT_EQ(module.trainable().size(), 1U);
  const Tensor y = module.forward(torch::ones({1}), {})[0];
  EXPECT_EQ(y.item<float>(), 7);
  EXPECT_TRUE(y.requires_grad());
}

// Every zoo net against a plain interpreter with double accumulators.
class ZooOnLibtorch : public testing::TestWithParam<std::string> {};

TEST_P(ZooOnLibtorch, GivesTheScoresOfAPlainInterpreterAtEveryExit) {
  onnx::ModelProto model = zoo::build(GetParam());
  test::randomizeWeights(model, 3);
  graph::Shape shape = graph::inputShape(model);
  shape.insert(shape.begin(), 1);
  const test::Tensor input = test::randomInput(shape, 5);
  const auto expected = test::runNaively(model, input);
  const Tensor x = torch::tensor(std::vector<float>(input.values.begin(), input.values.end())).view(shape);
  for (const bool channelsLast : {false, true}) {
    GraphModuleOptions options;
    options.channelsLast = channelsLast;
    GraphModule module(model, options);
    torch::NoGradGuard noGradient;
    const std::vector<Tensor> scores = module.forward(x, ForwardMode::evaluation());
    const std::vector<std::string> exits = graph::exitNames(model);
    ASSERT_EQ(scores.size(), exits.size());
    for (size_t k = 0; k < exits.size(); ++k) {
      const std::vector<float> values = flat(scores[k]);
      const test::Tensor found{expected.at(exits[k]).shape, {values.begin(), values.end()}};
      EXPECT_LT(test::relativeDifference(expected.at(exits[k]), found), 1e-4) << exits[k];
    }
  }
}

TEST_P(ZooOnLibtorch, WritesItsWeightsBackBitForBit) {
  const onnx::ModelProto model = zoo::build(GetParam());
  GraphModuleOptions options;
  options.channelsLast = true;
  GraphModule module(model, options);
  onnx::ModelProto written = model;
  for (onnx::TensorProto& tensor : *written.mutable_graph()->mutable_initializer())
    if (tensor.data_type() == onnx::TensorProto::FLOAT)
      tensor.set_raw_data(std::string(graph::floatValues(tensor).size() * sizeof(float), '\0'));
  ASSERT_NE(test::weightBytes(written), test::weightBytes(model));
  module.writeBack(written);
  EXPECT_EQ(test::weightBytes(written), test::weightBytes(model));
}

INSTANTIATE_TEST_SUITE_P(, ZooOnLibtorch, testing::ValuesIn(zoo::architectures()), [](const auto& parameter) {
  std::string name = parameter.param;
  for (char& letter : name)
    if (letter == '-') letter = '_';
  return name;
});

TEST(GraphModule, GradientsOfWeightsAndImagesAgreeWithFiniteDifferences) {
  // In double, where the quotient of differences is good to about 1e-16 / step = 1e-9; a longer step would
  // cross the kinks of ReLU and MaxPool.
  constexpr double kStep = 1e-7;
  GraphModule module(test::tinyNet(/*hasBatchNormalization=*/true));
  module.to(torch::kFloat64);
  torch::manual_seed(3);
  Tensor x = torch::rand({4, 1, 8, 8}, torch::kFloat64).requires_grad_(true);
  const Tensor labels = torch::tensor({1, 2, 3, 4}, torch::kInt64);
  const ForwardMode mode{/*batchStatistics=*/true, /*updateStatistics=*/false, /*dropout=*/false};
  const auto loss = [&] {
    const std::vector<Tensor> scores = module.forward(x, mode);
    return torch::cross_entropy_loss(scores[0], labels) + 2 * torch::cross_entropy_loss(scores[1], labels);
  };
  std::vector<Tensor> variables = module.trainable();
  variables.push_back(x);
  const std::vector<Tensor> gradients = torch::autograd::grad({loss()}, variables);
  torch::NoGradGuard noGradient;
  for (size_t v = 0; v < variables.size(); ++v) {
    const Tensor values = variables[v].detach().view(-1);
    const Tensor gradient = gradients[v].reshape(-1);
    for (int64_t i = 0; i < values.numel(); i += std::max<int64_t>(1, values.numel() / 7)) {
      const double kept = values[i].item<double>();
      values[i] = kept + kStep;
      const double above = loss().item<double>();
      values[i] = kept - kStep;
      const double below = loss().item<double>();
      values[i] = kept;
      const double expected = (above - below) / (2 * kStep);
      EXPECT_NEAR(gradient[i].item<double>(), expected, 1e-6 + 1e-4 * std::abs(expected)) << v << " " << i;
    }
  }
}

TEST(GraphModule, ComputesOnlyTheExitsThatAreAskedFor) {
  GraphModule module(test::tinyNet(false));
  const Tensor x = torch::rand({2, 1, 8, 8});
  const std::vector<Tensor> all = module.forward(x, {});
  const std::vector<Tensor> first = module.forward(x, {}, onlyExit(0));
  EXPECT_TRUE(torch::equal(first[0], all[0]));
  EXPECT_FALSE(first[1].defined());
  const std::vector<Tensor> main = module.forward(x, {}, onlyExit(1));
  EXPECT_FALSE(main[0].defined());
  EXPECT_TRUE(torch::equal(main[1], all[1]));
}

TEST(GraphModule, AFrozenBackboneRunsAsInEvaluationAndOnlyBranchesTrain) {
  GraphModuleOptions options;
  options.freezeBackbone = true;
  GraphModule module(test::tinyNet(true), options);
  EXPECT_FALSE(module.hasBatchNormalization()) << "the only one is the backbone's";
  std::vector<std::string> trained;
  for (const auto& weight : module.weights())
    if (weight.moves()) trained.push_back(weight.name);
  EXPECT_EQ(trained, (std::vector<std::string>{"exit1.fc.weight", "exit1.fc.bias"}));
  EXPECT_EQ(module.trainable().size(), 2U);
  const Tensor x = torch::rand({8, 1, 8, 8});
  const auto evaluated = module.forward(x, ForwardMode::evaluation());
  const auto trainedOn = module.forward(x, ForwardMode::training());
  EXPECT_TRUE(torch::equal(trainedOn[1], evaluated[1]));
  EXPECT_TRUE(torch::equal(module.forward(x, ForwardMode::evaluation())[1], evaluated[1]));
  EXPECT_TRUE(trainedOn[0].requires_grad());
  EXPECT_FALSE(trainedOn[1].requires_grad());
}

TEST(GraphModule, TrainAndEvalSetTheBehaviourOfForward) {
  GraphModule module(test::tinyNet(true));
  const Tensor x = torch::rand({8, 1, 8, 8});
  module.eval();
  const Tensor before = module.forward(x)[1];
  EXPECT_TRUE(torch::equal(module.forward(x)[1], before));
  module.train();
  module.forward(x);
  module.eval();
  EXPECT_FALSE(torch::equal(module.forward(x)[1], before)) << "training did not move the running statistics";
}

TEST(GraphModule, GivesLogitsOfAModelWhoseOutputsAreProbabilities) {
  const std::vector<float> weights = {1, 2, 3, 4, 5, 7};
  const auto plain = modelOf({node("Flatten", {"x"}, "f"), node("MatMul", {"f", "w"}, "y")},
                             {floatTensor("w", {2, 3}, weights)}, {0, 2, 1, 1}, {"y"});
  const auto soft =
      modelOf({node("Flatten", {"x"}, "f"), node("MatMul", {"f", "w"}, "m"), node("Softmax", {"m"}, "y")},
              {floatTensor("w", {2, 3}, weights)}, {0, 2, 1, 1}, {"y"});
  EXPECT_FALSE(givesProbabilities(plain));
  EXPECT_TRUE(givesProbabilities(soft));
  GraphModuleOptions options;
  options.logProbabilities = true;
  const Tensor x = torch::tensor({0.5F, -1.F}).view({1, 2, 1, 1});
  const Tensor expected = torch::log_softmax(GraphModule(plain).forward(x, {})[0], 1);
  EXPECT_TRUE(torch::allclose(GraphModule(soft, options).forward(x, {})[0], expected, 1e-5, 1e-6));
}

}  // namespace
}  // namespace rdi::train
