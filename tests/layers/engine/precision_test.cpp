// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/precision.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "graph/attributes.hpp"
#include "layers/engine/lowering.hpp"
#include "tests/layers/model_builder.hpp"

namespace rdi {
namespace {

using engine::Layout;
using engine::Number;
using engine::Operation;
using engine::OperationKind;
using engine::Program;
using graph::Precision;
using test::ModelBuilder;

/// Every tensor of a stage between 0 and `high`.
graph::RangeMap rangesOf(const onnx::ModelProto& stage, float high, float low = 0) {
  graph::RangeMap ranges;
  for (const auto& input : stage.graph().input()) ranges[input.name()] = {low, high};
  for (const auto& node : stage.graph().node()) ranges[node.output(0)] = {low, high};
  return ranges;
}

Program lowered(const onnx::ModelProto& stage, Layout layout, Precision precision,
                const graph::RangeMap& ranges) {
  Program program = engine::lower(stage, {layout});
  engine::lowerPrecision(program, {layout}, precision, ranges);
  return program;
}

Number sourceNumber(const Program& program, const Operation& operation) {
  return program.tensors[static_cast<size_t>(operation.sources[0])].number;
}

Number resultNumber(const Program& program, const Operation& operation) {
  return program.tensors[static_cast<size_t>(operation.destination)].number;
}

std::vector<OperationKind> kinds(const Program& program) {
  std::vector<OperationKind> all;
  for (const Operation& operation : program.operations) all.push_back(operation.kind);
  return all;
}

/// x -> conv -> relu -> conv -> relu -> conv
onnx::ModelProto threeConvolutions() {
  ModelBuilder builder;
  std::string x = builder.input("x", {1, 4, 6, 6});
  for (int i = 0; i < 2; ++i) x = builder.add("Relu", {builder.conv(x, 4, 4, 3, 1, 1)});
  return builder.stage({builder.conv(x, 4, 4, 3, 1, 1)});
}

TEST(Precision, Float32ChangesNothing) {
  const Program program = lowered(threeConvolutions(), Layout::nhwc, Precision::float32, {});
  EXPECT_EQ(program.operations.size(), 3u);
  for (const auto& tensor : program.tensors) EXPECT_EQ(tensor.number, Number::float32);
}

TEST(Precision, ThePictureIsReadInFloat32) {
  const onnx::ModelProto stage = threeConvolutions();
  const Program program = lowered(stage, Layout::nchw, Precision::int8, rangesOf(stage, 1));
  EXPECT_EQ(kinds(program),
            (std::vector<OperationKind>{OperationKind::toChannelsLast, OperationKind::convolution,
                                        OperationKind::convert, OperationKind::convolution,
                                        OperationKind::convolution}));
  EXPECT_EQ(sourceNumber(program, program.operations[1]), Number::float32);
  EXPECT_TRUE(program.operations[1].weightScales.empty());
  EXPECT_EQ(sourceNumber(program, program.operations[3]), Number::unsigned8);
}

TEST(Precision, BetweenConvolutionsNothingIsConverted) {
  for (const Precision precision : {Precision::bf16, Precision::int8}) {
    const onnx::ModelProto stage = threeConvolutions();
    const Program program = lowered(stage, Layout::nhwc, precision, rangesOf(stage, 1));
    const Number low = precision == Precision::bf16 ? Number::bfloat16 : Number::unsigned8;
    ASSERT_EQ(program.operations.size(), 4u);
    EXPECT_EQ(program.operations[0].kind, OperationKind::convert);
    EXPECT_EQ(resultNumber(program, program.operations[1]), low);
    EXPECT_EQ(resultNumber(program, program.operations[2]), low);
    EXPECT_EQ(resultNumber(program, program.operations[3]), Number::float32) << "an output of the stage";
  }
}

TEST(Precision, ScalesFollowFromRangesAndWeights) {
  const onnx::ModelProto stage = threeConvolutions();
  const Program before = engine::lower(stage, {Layout::nhwc});
  const Program positive = lowered(stage, Layout::nhwc, Precision::int8, rangesOf(stage, 5.1f));
  const Program bothSigns = lowered(stage, Layout::nhwc, Precision::int8, rangesOf(stage, 1, -12.7f));
  const auto source = [](const Program& program) {
    return program.tensors[static_cast<size_t>(program.operations[1].sources[0])];
  };
  EXPECT_EQ(source(positive).number, Number::unsigned8);
  EXPECT_FLOAT_EQ(source(positive).scale, 5.1f / 255);
  EXPECT_EQ(source(bothSigns).number, Number::signed8);
  EXPECT_FLOAT_EQ(source(bothSigns).scale, 12.7f / 127);

  const std::vector<float>& weights = before.operations[0].weights;
  const Operation& operation = positive.operations[1];
  ASSERT_EQ(operation.weightScales.size(), 4u);
  for (size_t channel = 0; channel < 4; ++channel) {
    float largest = 0;
    for (size_t i = channel * 36; i < (channel + 1) * 36; ++i)
      largest = std::max(largest, std::abs(weights[i]));
    EXPECT_FLOAT_EQ(operation.weightScales[channel], largest / 127);
    for (size_t i = channel * 36; i < (channel + 1) * 36; ++i) {
      EXPECT_EQ(operation.weights[i], std::round(operation.weights[i])) << "whole numbers";
      EXPECT_NEAR(operation.weights[i] * operation.weightScales[channel], weights[i], largest / 254 * 1.001f);
    }
  }
}

TEST(Precision, WhatHasNoRangeStaysInFloat32) {
  const onnx::ModelProto stage = threeConvolutions();
  for (const auto& tensor : engine::lower(stage, {Layout::nhwc}).tensors) {
    graph::RangeMap ranges = rangesOf(stage, 1);
    ranges.erase(tensor.name);
    const Program program = lowered(stage, Layout::nhwc, Precision::int8, ranges);
    for (const auto& other : program.tensors) {
      if (other.name == tensor.name) {
        EXPECT_EQ(other.number, Number::float32) << tensor.name;
      }
    }
  }
  EXPECT_EQ(lowered(stage, Layout::nhwc, Precision::int8, {}).operations.size(), 3u);
}

TEST(Precision, WeightsThatAreNoNumbersStayInFloat32) {
  const onnx::ModelProto stage = threeConvolutions();
  Program program = engine::lower(stage, {Layout::nhwc});
  program.operations[1].weights[5] = NAN;
  engine::lowerPrecision(program, {Layout::nhwc}, Precision::int8, rangesOf(stage, 1));
  int low = 0;
  for (const Operation& operation : program.operations) low += operation.weightScales.empty() ? 0 : 1;
  EXPECT_EQ(low, 2);
}

TEST(Precision, MaxPoolingKeepsWhatItReads) {
  ModelBuilder builder;
  const std::string x = builder.add("Relu", {builder.conv(builder.input("x", {1, 4, 6, 6}), 4, 4, 3, 1, 1)});
  const std::string pooled = builder.add("MaxPool", {x});
  graph::setAttribute(builder.node(), "kernel_shape", std::vector<int64_t>{2, 2});
  const onnx::ModelProto stage = builder.stage({builder.conv(pooled, 4, 4, 1)});
  const Program program = lowered(stage, Layout::nhwc, Precision::int8, rangesOf(stage, 1));
  EXPECT_EQ(kinds(program), (std::vector<OperationKind>{OperationKind::convert, OperationKind::convolution,
                                                        OperationKind::maxPool, OperationKind::convolution}));
  EXPECT_EQ(resultNumber(program, program.operations[2]), Number::unsigned8);
}

TEST(Precision, AnAddendIsStoredAsTheResultIs) {
  for (const bool isOutput : {false, true}) {
    ModelBuilder builder;
    const std::string x =
        builder.add("Relu", {builder.conv(builder.input("x", {1, 4, 6, 6}), 4, 4, 3, 1, 1)});
    const std::string sum = builder.add("Add", {builder.conv(x, 4, 4, 3, 1, 1), x});
    const onnx::ModelProto stage = builder.stage({isOutput ? sum : builder.conv(sum, 4, 4, 1)});
    const Program program = lowered(stage, Layout::nhwc, Precision::int8, rangesOf(stage, 1));
    for (const Operation& operation : program.operations) {
      if (operation.addend < 0) continue;
      const Number expected = isOutput ? Number::float32 : Number::unsigned8;
      EXPECT_EQ(program.tensors[static_cast<size_t>(operation.addend)].number, expected);
      EXPECT_EQ(resultNumber(program, operation), expected);
    }
  }
}

TEST(Precision, OneConversionServesAllReaders) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 4, 6, 6});
  const onnx::ModelProto stage = builder.stage({builder.conv(x, 4, 4, 1), builder.conv(x, 4, 4, 3)});
  const Program program = lowered(stage, Layout::nhwc, Precision::bf16, {});
  EXPECT_EQ(kinds(program), (std::vector<OperationKind>{OperationKind::convert, OperationKind::convolution,
                                                        OperationKind::convolution}));
}

TEST(Precision, InnerProductsAndWhatOnlyTheyReadStayInFloat32) {
  ModelBuilder builder;
  const std::string x = builder.add("Relu", {builder.conv(builder.input("x", {1, 4, 6, 6}), 4, 4, 3, 1, 1)});
  const std::string row = builder.add("Flatten", {builder.add("GlobalAveragePool", {x})});
  const onnx::ModelProto stage = builder.stage({builder.gemm(row, 4, 3)});
  const Program program = lowered(stage, Layout::nhwc, Precision::int8, rangesOf(stage, 1));
  EXPECT_EQ(kinds(program),
            (std::vector<OperationKind>{OperationKind::convert, OperationKind::convolution,
                                        OperationKind::averagePool, OperationKind::innerProduct}));
  EXPECT_EQ(resultNumber(program, program.operations[1]), Number::float32);
}

TEST(Precision, AnActivationThatIsNotScaledGivesFloat32) {
  ModelBuilder builder;
  const std::string x =
      builder.add("Sigmoid", {builder.conv(builder.input("x", {1, 4, 6, 6}), 4, 4, 3, 1, 1)});
  const onnx::ModelProto stage = builder.stage({builder.conv(x, 4, 4, 1)});
  EXPECT_EQ(kinds(lowered(stage, Layout::nhwc, Precision::int8, rangesOf(stage, 1))),
            (std::vector<OperationKind>{OperationKind::convert, OperationKind::convolution,
                                        OperationKind::convert, OperationKind::convolution}));
  EXPECT_EQ(lowered(stage, Layout::nhwc, Precision::bf16, {}).operations.size(), 3u);
}

}  // namespace
}  // namespace rdi
