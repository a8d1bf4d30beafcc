// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/lowering.hpp"

#include <gtest/gtest.h>

#include "graph/attributes.hpp"
#include "graph/engine_support.hpp"
#include "graph/error.hpp"
#include "tests/layers/model_builder.hpp"

namespace rdi {
namespace {

using engine::Layout;
using engine::Operation;
using engine::OperationKind;
using engine::Program;
using test::ModelBuilder;

std::string messageOf(const onnx::ModelProto& stage, const std::vector<Layout>& layouts) {
  try {
    engine::lower(stage, layouts);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(Lowering, AResidualBlockIsTwoOperations) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 8, 6, 6});
  const std::string inner = builder.add("Relu", {builder.conv(x, 8, 8, 3, 1, 1)});
  const std::string y = builder.add("Relu", {builder.add("Add", {x, builder.conv(inner, 8, 8, 3, 1, 1)})});
  const Program program = engine::lower(builder.stage({y}), {Layout::nhwc});
  ASSERT_EQ(program.operations.size(), 2u);
  const Operation& first = program.operations[0];
  const Operation& second = program.operations[1];
  EXPECT_EQ(first.kind, OperationKind::convolution);
  EXPECT_TRUE(first.activation.has_value());
  EXPECT_EQ(first.addend, -1);
  EXPECT_EQ(second.kind, OperationKind::convolution);
  EXPECT_TRUE(second.activation.has_value());
  EXPECT_EQ(second.addend, program.inputs[0]);
}

TEST(Lowering, AConvolutionThatSomebodyElseReadsKeepsItsOwnResult) {
  ModelBuilder builder;
  const std::string x = builder.conv(builder.input("x", {1, 3, 4, 4}), 3, 3, 1);
  const Program program = engine::lower(builder.stage({builder.add("Relu", {x}), x}), {Layout::nhwc});
  ASSERT_EQ(program.operations.size(), 2u);
  EXPECT_FALSE(program.operations[0].activation.has_value());
  EXPECT_EQ(program.operations[1].kind, OperationKind::activation);
}

TEST(Lowering, AConvolutionThatIsAddedRunsAfterTheOtherOperand) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 8, 6, 6});
  const std::string early = builder.conv(x, 8, 8, 3, 1, 1);
  const std::string late = builder.add("Relu", {builder.conv(x, 8, 8, 1)});
  const Program program = engine::lower(builder.stage({builder.add("Add", {early, late})}), {Layout::nhwc});
  ASSERT_EQ(program.operations.size(), 2u);
  EXPECT_EQ(program.operations[0].window.kernel[0], 1);
  EXPECT_EQ(program.operations[1].window.kernel[0], 3);
  EXPECT_EQ(program.operations[1].addend, program.operations[0].destination);
}

TEST(Lowering, WeightsOfAFlattenedPictureFollowItsMemoryOrder) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 2, 1, 3});  // channel c, pixel p: value 3c + p in ONNX order
  const std::string weights = builder.constant({6, 1}, {0, 1, 2, 3, 4, 5});
  const std::string y = builder.add("MatMul", {builder.add("Flatten", {x}), weights});
  const Program program = engine::lower(builder.stage({y}), {Layout::nhwc});
  ASSERT_EQ(program.operations.size(), 1u);
  EXPECT_EQ(program.operations[0].weights, (std::vector<float>{0, 3, 1, 4, 2, 5}));
}

TEST(Lowering, AnInputInChannelsFirstOrderIsReorderedOnlyWhenThatMovesBytes) {
  for (const int64_t channels : {1, 3}) {
    ModelBuilder builder;
    const std::string x = builder.input("x", {1, channels, 4, 4});
    const Program program = engine::lower(builder.stage({builder.conv(x, channels, 2, 1)}), {Layout::nchw});
    EXPECT_EQ(program.operations.size(), channels == 1 ? 1u : 2u);
  }
}

TEST(Lowering, RefusesWhatTheTableRefusesInTheSameWords) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 3, 4, 4});
  const std::string y = builder.add("Erf", {x});
  const onnx::ModelProto stage = builder.stage({y});
  const std::string reason = graph::whyNotOneDnn(stage);
  EXPECT_NE(reason.find("Erf"), std::string::npos) << reason;
  EXPECT_NE(reason.find("'" + stage.graph().node(0).name() + "'"), std::string::npos) << reason;
  EXPECT_NE(messageOf(stage, {Layout::nhwc}).find(reason), std::string::npos);
}

/// Stages of one node each, some of which the engine has and some it lacks.
std::vector<onnx::ModelProto> singleNodeStages() {
  std::vector<onnx::ModelProto> stages;
  const auto unary = [&](const std::string& type, const graph::Shape& shape, const auto& adjust) {
    ModelBuilder builder;
    const std::string y = builder.add(type, {builder.input("x", shape)});
    adjust(builder.node());
    stages.push_back(builder.stage({y}));
  };
  const auto nothing = [](onnx::NodeProto&) {};
  for (const std::string type : {"Relu", "Sigmoid", "Tanh", "Elu", "LeakyRelu", "Softmax", "Flatten", "Erf",
                                 "Neg", "Abs", "GlobalAveragePool", "GlobalMaxPool", "Identity", "Softplus"})
    unary(type, {1, 4, 3, 3}, nothing);
  for (const std::string type : {"Relu", "Softmax", "Flatten"}) unary(type, {1, 4}, nothing);
  for (const int64_t dilation : {1, 2})
    unary("MaxPool", {1, 4, 7, 7}, [&](onnx::NodeProto& node) {
      graph::setAttribute(node, "kernel_shape", std::vector<int64_t>{2, 2});
      graph::setAttribute(node, "dilations", std::vector<int64_t>{dilation, dilation});
    });
  for (const std::string pads : {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"})
    unary("AveragePool", {1, 4, 7, 7}, [&](onnx::NodeProto& node) {
      graph::setAttribute(node, "kernel_shape", std::vector<int64_t>{2, 2});
      graph::setAttribute(node, "auto_pad", pads);
    });
  for (const std::vector<int64_t>& axes : {std::vector<int64_t>{2, 3}, {-2, -1}, {1}, {2}})
    unary("ReduceMean", {1, 4, 3, 3},
          [&](onnx::NodeProto& node) { graph::setAttribute(node, "axes", axes); });
  for (const int64_t axis : {1, 2, -3})
    for (const int64_t repeat : {1, 3}) {
      ModelBuilder builder;
      const std::string x = builder.input("x", {1, 4, 3, 3});
      const std::string y = builder.add("Concat", std::vector<std::string>(static_cast<size_t>(repeat), x));
      graph::setAttribute(builder.node(), "axis", axis);
      stages.push_back(builder.stage({y}));
    }
  for (const graph::Shape& shape : {graph::Shape{1, 4, 3, 3}, {4, 1, 1}, {1}, {3}, {1, 1, 3, 1}}) {
    ModelBuilder builder;
    const std::string x = builder.input("x", {1, 4, 3, 3});
    stages.push_back(builder.stage({builder.add(
        "Mul", {x, builder.constant(shape, std::vector<float>(static_cast<size_t>(shape.size() == 1 ? shape[0]
                                                                                  : shape.size() == 3 ? 4
                                                                                  : shape[1] == 4     ? 36
                                                                                                      : 3),
                                                              2.0f))})}));
  }
  {
    ModelBuilder builder;
    const std::string x = builder.input("x", {1, 4});
    stages.push_back(builder.stage({builder.add("Sub", {builder.constant({1, 4}, {1, 2, 3, 4}), x})}));
  }
  return stages;
}

TEST(Lowering, AgreesWithTheTableOnEveryStage) {
  int refused = 0, accepted = 0;
  for (const onnx::ModelProto& stage : singleNodeStages()) {
    const bool picture = graph::recordedShapes(stage).at("x").size() == 4;
    const std::string reason = graph::whyNotOneDnn(stage);
    const std::string message = messageOf(stage, {picture ? Layout::nhwc : Layout::plain});
    EXPECT_EQ(reason.empty(), message.empty()) << stage.graph().node(0).op_type() << ": table says '"
                                               << reason << "', lowering says '" << message << "'";
    ++(reason.empty() ? accepted : refused);
  }
  EXPECT_GT(refused, 8);
  EXPECT_GT(accepted, 20);
}

TEST(Lowering, SaysSoWhenRecordedShapesContradictEachOther) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 3, 8, 8});
  onnx::ModelProto stage = builder.stage({builder.conv(x, 3, 4, 3)});
  auto* dim =
      stage.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  dim->mutable_dim(2)->set_dim_value(9);
  EXPECT_NE(messageOf(stage, {Layout::nhwc}).find("shapes recorded"), std::string::npos)
      << messageOf(stage, {Layout::nhwc});
  dim->mutable_dim(2)->set_dim_value(6);
  dim->mutable_dim(1)->set_dim_value(5);
  EXPECT_NE(messageOf(stage, {Layout::nhwc}).find("damaged"), std::string::npos);
}

TEST(Lowering, SaysSoWhenTheLayoutsDoNotFitTheInputs) {
  ModelBuilder builder;
  const onnx::ModelProto stage = builder.stage({builder.add("Relu", {builder.input("x", {1, 3, 8, 8})})});
  EXPECT_NE(messageOf(stage, {}).find("input_layout"), std::string::npos);
  EXPECT_NE(messageOf(stage, {Layout::plain}).find("input_layout"), std::string::npos);
  EXPECT_NE(messageOf(stage, {Layout::nhwc, Layout::nhwc}).find("input_layout"), std::string::npos);
}

}  // namespace
}  // namespace rdi
