// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// The oneDNN engine against OpenCV's own engine, and against itself on other threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <opencv2/core.hpp>

#include "graph/attributes.hpp"
#include "graph/engine_support.hpp"
#include "graph/error.hpp"
#include "graph/float_run.hpp"
#include "graph/precision.hpp"
#include "graph/shapes.hpp"
#include "layers/engine/layout.hpp"
#include "layers/engine/stage_engine.hpp"
#include "tests/layers/model_builder.hpp"

namespace rdi {
namespace {

using engine::Layout;
using test::ModelBuilder;

/// Sums of up to a few thousand float products in another order; 1e-4 of the largest value leaves a margin of
/// ten.
constexpr double kTolerance = 1e-4;

size_t elementCount(const graph::Shape& shape) {
  size_t count = 1;
  for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
  return count;
}

struct Case {
  std::string name;
  std::function<onnx::ModelProto()> stage;
  std::vector<Layout> layouts = {Layout::nhwc};
};

std::ostream& operator<<(std::ostream& stream, const Case& one) { return stream << one.name; }

using Rows = std::vector<std::vector<float>>;

Rows makeInputs(const onnx::ModelProto& stage, uint32_t seed) {
  Rows inputs;
  const graph::ShapeMap shapes = graph::recordedShapes(stage);
  for (const onnx::ValueInfoProto& value : stage.graph().input())
    inputs.push_back(test::randomValues(elementCount(shapes.at(value.name())), seed++));
  return inputs;
}

/// Runs one row: in a slot, or alone (slot -1) on as many threads as the engine was prepared for.
Rows run(engine::StageEngine& runner, const onnx::ModelProto& stage, const Rows& inputs, int slot) {
  const graph::ShapeMap shapes = graph::recordedShapes(stage);
  Rows outputs;
  std::vector<const float*> from;
  std::vector<float*> to;
  for (const auto& row : inputs) from.push_back(row.data());
  for (const onnx::ValueInfoProto& value : stage.graph().output())
    outputs.emplace_back(elementCount(shapes.at(value.name())), NAN);
  for (auto& row : outputs) to.push_back(row.data());
  if (slot < 0)
    runner.runSingleRow(from.data(), to.data());
  else
    runner.runRow(slot, from.data(), to.data());
  return outputs;
}

onnx::ModelProto oneConv(int64_t in, int64_t out, int64_t size, int64_t kernel, int64_t stride, int64_t pad,
                         int64_t groups) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, in, size, size});
  return builder.stage({builder.conv(x, in, out, kernel, stride, pad, groups)});
}

onnx::ModelProto onePool(const std::string& type, int64_t channels, int64_t size, int64_t kernel,
                         int64_t stride, int64_t pad, bool countPads, bool ceil) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, channels, size, size});
  const std::string y = builder.add(type, {x});
  graph::setAttribute(builder.node(), "kernel_shape", std::vector<int64_t>{kernel, kernel});
  graph::setAttribute(builder.node(), "strides", std::vector<int64_t>{stride, stride});
  graph::setAttribute(builder.node(), "pads", std::vector<int64_t>{pad, pad, pad, pad});
  if (countPads) graph::setAttribute(builder.node(), "count_include_pad", int64_t{1});
  if (ceil) graph::setAttribute(builder.node(), "ceil_mode", int64_t{1});
  return builder.stage({y});
}

onnx::ModelProto residualBlocks(int blocks, bool inputIsAlsoAnOutput) {
  ModelBuilder builder;
  std::string x = builder.input("x", {1, 20, 9, 7});
  std::vector<std::string> outputs;
  for (int i = 0; i < blocks; ++i) {
    const std::string inner = builder.add("Relu", {builder.conv(x, 20, 20, 3, 1, 1)});
    x = builder.add("Relu", {builder.add("Add", {builder.conv(inner, 20, 20, 3, 1, 1), x})});
    if (inputIsAlsoAnOutput || i + 1 == blocks) outputs.push_back(x);
  }
  return builder.stage(outputs);
}

onnx::ModelProto projectedResidual(bool shortcutLast) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 16, 10, 10});
  const auto body = [&] {
    const std::string inner = builder.add("Relu", {builder.conv(x, 16, 24, 3, 2, 1)});
    return builder.conv(inner, 24, 24, 3, 1, 1);
  };
  const auto shortcut = [&] { return builder.conv(x, 16, 24, 1, 2, 0); };
  const std::string first = shortcutLast ? body() : shortcut();
  const std::string second = shortcutLast ? shortcut() : body();
  return builder.stage({builder.add("Relu", {builder.add("Add", {first, second})})});
}

onnx::ModelProto activation(const std::string& type, bool fused) {
  ModelBuilder builder;
  std::string x = builder.input("x", {1, 5, 6, 7});
  if (fused) x = builder.conv(x, 5, 5, 1);
  std::string y;
  if (type == "Clip")
    y = builder.add("Clip", {x, builder.constant({}, {-0.25f}), builder.constant({}, {0.5f})});
  else
    y = builder.add(type, {x});
  if (type == "LeakyRelu") graph::setAttribute(builder.node(), "alpha", 0.2f);
  return builder.stage({y});
}

onnx::ModelProto binary(const std::string& type, const graph::Shape& operand, bool isConstant) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 6, 5, 4});
  std::vector<float> values(elementCount(operand));
  for (size_t i = 0; i < values.size(); ++i) values[i] = 0.5f + 0.25f * static_cast<float>(i % 7);
  // Operands stay away from zero for Div's sake.
  std::string y =
      isConstant ? builder.constant(operand, values) : builder.add("Sigmoid", {builder.input("y", operand)});
  return builder.stage({builder.add(type, {x, y})});
}

onnx::ModelProto head(const std::string& flatten, bool alsoOutput) {
  ModelBuilder builder;
  const std::string x = builder.input("x", {1, 6, 5, 3});
  std::string row;
  if (flatten == "Reshape")
    row = builder.add("Reshape", {x, builder.intConstant({1, -1})});
  else
    row = builder.add("Flatten", {x});
  const std::string scores = builder.gemm(builder.add("Relu", {builder.gemm(row, 90, 33)}), 33, 7);
  return builder.stage(alsoOutput ? std::vector<std::string>{row, scores} : std::vector<std::string>{scores});
}

onnx::ModelProto pad(const std::vector<int64_t>& pads, float value) {
  ModelBuilder builder;
  const std::string x = builder.conv(builder.input("x", {1, 5, 6, 4}), 5, 5, 1);
  const std::string y = builder.add("Pad", {x, builder.intConstant(pads), builder.constant({}, {value})});
  return builder.stage({builder.add("Relu", {y}), y});
}

onnx::ModelProto slice(const std::vector<int64_t>& axes, const std::vector<int64_t>& starts,
                       const std::vector<int64_t>& ends, const std::vector<int64_t>& steps) {
  ModelBuilder builder;
  const std::string x = builder.conv(builder.input("x", {1, 6, 9, 8}), 6, 6, 1);
  return builder.stage({builder.add("Slice", {x, builder.intConstant(starts), builder.intConstant(ends),
                                              builder.intConstant(axes), builder.intConstant(steps)})});
}

std::vector<Case> cases() {
  std::vector<Case> all;
  struct Sizes {
    int64_t in, out, size, kernel, stride, pad, groups;
  };
  const std::vector<Sizes> convolutions{
      {1, 1, 5, 3, 1, 0, 1},     {1, 32, 28, 3, 1, 0, 1},  {3, 16, 32, 3, 1, 1, 1},
      {3, 7, 11, 3, 2, 1, 1},    {5, 13, 9, 1, 1, 0, 1},   {16, 24, 9, 1, 2, 0, 1},
      {17, 19, 8, 3, 1, 1, 1},   {16, 64, 16, 5, 1, 2, 1}, {33, 10, 7, 5, 2, 2, 1},
      {64, 64, 4, 3, 1, 1, 1},   {12, 12, 9, 3, 1, 1, 12}, {13, 13, 10, 3, 2, 1, 13},
      {32, 32, 16, 3, 1, 1, 32}, {12, 18, 8, 3, 1, 1, 3},  {10, 20, 6, 1, 1, 0, 2},
      {8, 16, 7, 3, 1, 1, 8},    {4, 6, 1, 1, 1, 0, 1},    {16, 16, 6, 4, 2, 1, 1},
      {96, 160, 8, 1, 1, 0, 1},  {2, 3, 12, 3, 2, 0, 1},   {16, 8, 5, 7, 1, 3, 1},
      {128, 40, 3, 3, 1, 0, 1},
  };
  for (const Sizes& s : convolutions)
    all.push_back({text("Conv_", s.in, "to", s.out, "_", s.size, "px_k", s.kernel, "s", s.stride, "p", s.pad,
                        "g", s.groups),
                   [s] { return oneConv(s.in, s.out, s.size, s.kernel, s.stride, s.pad, s.groups); }});
  all.push_back({"ConvReadsChannelsFirst", [] { return oneConv(3, 16, 9, 3, 1, 1, 1); }, {Layout::nchw}});
  for (const int64_t channels : {1, 6, 16, 35})
    for (const auto& [kernel, stride, pad] :
         std::vector<std::array<int64_t, 3>>{{2, 2, 0}, {3, 2, 1}, {3, 1, 1}}) {
      all.push_back({text("MaxPool_", channels, "ch_k", kernel, "s", stride, "p", pad),
                     [=, k = kernel, s = stride, p = pad] {
                       return onePool("MaxPool", channels, 9, k, s, p, false, false);
                     }});
      for (const bool countPads : {false, true})
        all.push_back({text("AveragePool_", channels, "ch_k", kernel, "s", stride, "p", pad,
                            countPads ? "_counted" : ""),
                       [=, k = kernel, s = stride, p = pad] {
                         return onePool("AveragePool", channels, 9, k, s, p, countPads, false);
                       }});
    }
  all.push_back({"MaxPoolCeil", [] { return onePool("MaxPool", 6, 8, 3, 2, 0, false, true); }});
  all.push_back(
      {"GlobalAveragePool", [] {
         ModelBuilder builder;
         return builder.stage({builder.add("GlobalAveragePool", {builder.input("x", {1, 11, 8, 6})})});
       }});
  for (const bool keep : {false, true})
    all.push_back({text("ReduceMean", keep ? "Keep" : "Drop"), [keep] {
                     ModelBuilder builder;
                     const std::string y = builder.add("ReduceMean", {builder.input("x", {1, 11, 8, 6})});
                     graph::setAttribute(builder.node(), "axes", std::vector<int64_t>{2, 3});
                     graph::setAttribute(builder.node(), "keepdims", int64_t{keep});
                     return builder.stage({y});
                   }});
  for (const int blocks : {1, 2, 3})
    for (const bool outputs : {false, true})
      all.push_back({text("Residual_", blocks, outputs ? "_eachAnOutput" : ""),
                     [=] { return residualBlocks(blocks, outputs); }});
  all.push_back({"ResidualOfOneConvolutionReadsItsAddend", [] {
                   ModelBuilder builder;
                   const std::string x = builder.add("Relu", {builder.input("x", {1, 16, 6, 6})});
                   return builder.stage({builder.add("Add", {x, builder.conv(x, 16, 16, 3, 1, 1)})});
                 }});
  all.push_back(
      {"ResidualWithoutActivationThenPool", [] {
         ModelBuilder builder;
         const std::string x = builder.add("Relu", {builder.conv(builder.input("x", {1, 8, 6, 6}), 8, 8, 1)});
         const std::string y = builder.add("Add", {builder.conv(x, 8, 8, 3, 1, 1), x});
         return builder.stage({builder.add("GlobalAveragePool", {y}), x});
       }});
  all.push_back({"ActivationBeforeAddition", [] {
                   ModelBuilder builder;
                   const std::string x = builder.input("x", {1, 8, 6, 6});
                   return builder.stage(
                       {builder.add("Add", {builder.add("Relu", {builder.conv(x, 8, 8, 3, 1, 1)}), x})});
                 }});
  all.push_back(
      {"TwoInputsAdded",
       [] {
         ModelBuilder builder;
         const std::string x = builder.input("x", {1, 8, 6, 6}), y = builder.input("y", {1, 8, 6, 6});
         return builder.stage({builder.add("Relu", {builder.add("Add", {x, y})})});
       },
       {Layout::nhwc, Layout::nhwc}});
  for (const bool last : {false, true})
    all.push_back({text("ProjectedResidual", last ? "ShortcutLast" : "ShortcutFirst"),
                   [last] { return projectedResidual(last); }});
  for (const std::string type : {"Relu", "LeakyRelu", "Elu", "Clip", "Sigmoid", "Tanh"})
    for (const bool fused : {false, true})
      all.push_back({type + (fused ? "Fused" : "Alone"), [=] { return activation(type, fused); }});
  for (const std::string type : {"Add", "Sub", "Mul", "Div"}) {
    all.push_back({type + "Picture",
                   [=] {
                     return binary(type, {1, 6, 5, 4}, false);
                   },
                   {Layout::nhwc, Layout::nhwc}});
    all.push_back({type + "ConstantPerChannel", [=] { return binary(type, {6, 1, 1}, true); }});
    all.push_back({type + "ConstantPicture", [=] { return binary(type, {1, 6, 5, 4}, true); }});
  }
  all.push_back({"MulPerChannel",
                 [] {
                   return binary("Mul", {1, 6, 1, 1}, false);
                 },
                 {Layout::nhwc, Layout::nhwc}});
  all.push_back({"BatchNormalizationAlone", [] {
                   ModelBuilder builder;
                   const std::string x = builder.input("x", {1, 5, 4, 4});
                   const std::string y =
                       builder.add("BatchNormalization",
                                   {x, builder.weights({5}), builder.weights({5}), builder.weights({5}),
                                    builder.constant({5}, {0.5f, 1, 2, 0.1f, 3})});
                   return builder.stage({builder.add("Relu", {y})});
                 }});
  all.push_back({"ConcatOfChannels", [] {
                   ModelBuilder builder;
                   const std::string x = builder.input("x", {1, 5, 4, 6});
                   const std::string y = builder.conv(x, 5, 3, 1), z = builder.conv(x, 5, 16, 3, 1, 1);
                   const std::string joined = builder.add("Concat", {y, x, z});
                   graph::setAttribute(builder.node(), "axis", int64_t{1});
                   return builder.stage({joined});
                 }});
  all.push_back({"PadChannels", [] { return pad({0, 2, 0, 0, 0, 3, 0, 0}, 0); }});
  all.push_back({"PadPicture", [] { return pad({0, 0, 1, 2, 0, 0, 3, 0}, -0.5f); }});
  all.push_back({"PadEverything", [] { return pad({0, 1, 1, 1, 0, 1, 1, 1}, 0.25f); }});
  constexpr int64_t kEnd = 1000;
  all.push_back({"SliceEverySecondPixel", [] { return slice({2, 3}, {0, 1}, {kEnd, kEnd}, {2, 3}); }});
  all.push_back({"SliceChannels", [] { return slice({1}, {2}, {5}, {1}); }});
  all.push_back({"SliceFromTheEnd", [] { return slice({-1, 1}, {-5, -4}, {-1, kEnd}, {1, 1}); }});
  for (const std::string flatten : {"Flatten", "Reshape"})
    for (const bool alsoOutput : {false, true})
      all.push_back({flatten + "ThenGemm" + (alsoOutput ? "AndOutput" : ""),
                     [=] { return head(flatten, alsoOutput); }});
  all.push_back({"GemmOfRows",
                 [] {
                   ModelBuilder builder;
                   const std::string x = builder.input("x", {1, 37});
                   return builder.stage({builder.add("Softmax", {builder.gemm(x, 37, 11)})});
                 },
                 {Layout::plain}});
  all.push_back({"GemmNotTransposedScaled",
                 [] {
                   ModelBuilder builder;
                   const std::string y = builder.add(
                       "Gemm", {builder.input("x", {1, 9}), builder.weights({9, 4}), builder.weights({4})});
                   graph::setAttribute(builder.node(), "alpha", 0.5f);
                   graph::setAttribute(builder.node(), "beta", 2.0f);
                   return builder.stage({y});
                 },
                 {Layout::plain}});
  all.push_back(
      {"MatMul",
       [] {
         ModelBuilder builder;
         return builder.stage({builder.add("MatMul", {builder.input("x", {1, 9}), builder.weights({9, 4})})});
       },
       {Layout::plain}});
  return all;
}

/// Convolutions in a row, as low precision likes them: pooled between, added to with and without a sign.
onnx::ModelProto convolutionsInARow(const std::string& addend) {
  ModelBuilder builder;
  const std::string x =
      builder.add("Relu", {builder.conv(builder.input("x", {1, 16, 12, 10}), 16, 32, 3, 1, 1)});
  const std::string pooled = builder.add("MaxPool", {x});
  graph::setAttribute(builder.node(), "kernel_shape", std::vector<int64_t>{2, 2});
  graph::setAttribute(builder.node(), "strides", std::vector<int64_t>{2, 2});
  const std::string linear = builder.conv(pooled, 32, 24, 1);
  const std::string positive = builder.add("Relu", {builder.conv(pooled, 32, 24, 3, 1, 1)});
  const std::string deep =
      builder.conv(builder.add("Relu", {builder.conv(linear, 24, 24, 3, 1, 1, 24)}), 24, 24, 1);
  const std::string sum = builder.add("Add", {deep, addend == "signed" ? linear : positive});
  return builder.stage(
      {builder.conv(sum, 24, 8, 1), builder.gemm(builder.add("Flatten", {positive}), 24 * 6 * 5, 7)});
}

class Engines : public testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    if (!engine::hasOneDnn()) GTEST_SKIP() << "this build has no oneDNN";
    cv::setNumThreads(1);
  }
  void TearDown() override { cv::setNumThreads(-1); }
};

TEST_P(Engines, OneDnnAgreesWithOpenCv) {
  const onnx::ModelProto stage = GetParam().stage();
  const auto onednn = engine::makeOneDnnEngine(stage, GetParam().layouts);
  const auto opencv = engine::makeOpenCvEngine(stage, GetParam().layouts);
  onednn->prepare(1, 1);
  opencv->prepare(1, 1);
  for (const uint32_t seed : {1u, 2u}) {
    const Rows inputs = makeInputs(stage, seed);
    const Rows ours = run(*onednn, stage, inputs, 0), theirs = run(*opencv, stage, inputs, 0);
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t i = 0; i < ours.size(); ++i)
      EXPECT_LE(test::relativeDifference(theirs[i], ours[i]), kTolerance)
          << "output " << i << ", seed " << seed;
  }
}

TEST_P(Engines, ARowDependsOnNothingButItsInputs) {
  const onnx::ModelProto stage = GetParam().stage();
  const auto onednn = engine::makeOneDnnEngine(stage, GetParam().layouts, graph::Precision::float32,
                                               engine::RowSplit::always);
  const auto chooses = engine::makeOneDnnEngine(stage, GetParam().layouts);
  Rows inputs = makeInputs(stage, 3);
  for (const float scale : {1.0f, 1e-38f}) {  // the second one makes denormals
    for (auto& row : inputs)
      for (float& value : row) value *= scale;
    const Rows before = inputs;
    onednn->prepare(2, 1);
    const Rows expected = run(*onednn, stage, inputs, 0);
    EXPECT_EQ(run(*onednn, stage, inputs, 1), expected) << "another slot";
    EXPECT_EQ(run(*onednn, stage, inputs, -1), expected) << "alone";
    for (const int threadCount : {2, 3}) {
      onednn->prepare(2, threadCount);
      EXPECT_EQ(run(*onednn, stage, inputs, -1), expected) << threadCount << " threads";
      EXPECT_EQ(run(*onednn, stage, inputs, 1), expected) << "a slot beside " << threadCount << " threads";
    }
    chooses->prepare(1, 2);
    for (int i = 0; i < 20; ++i) ASSERT_EQ(run(*chooses, stage, inputs, -1), expected) << "forward " << i;
    EXPECT_EQ(inputs, before);
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, Engines, testing::ValuesIn(cases()),
                         [](const auto& instance) { return instance.param.name; });

/// The stage with the ranges of its tensors over a few rows, as a converter writes it.
onnx::ModelProto withRanges(onnx::ModelProto stage, Layout layout) {
  const graph::Shape shape = graph::recordedShapes(stage).at(stage.graph().input(0).name());
  graph::RangeMap ranges;
  std::vector<std::vector<float>> rows;
  for (const uint32_t seed : {1u, 2u, 3u, 4u}) {
    rows.push_back(makeInputs(stage, seed)[0]);
    if (layout != Layout::nhwc) continue;
    const std::vector<float> row = rows.back();
    engine::toChannelsFirst(row.data(), static_cast<size_t>(shape[1]),
                            static_cast<size_t>(shape[2] * shape[3]), rows.back().data());
  }
  graph::runInFloat(stage, rows, [&](const std::string& tensor, const std::vector<float>& values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    graph::Range& range = ranges[tensor];  // 0 is in every range
    range = {std::min(range.low, *low), std::max(range.high, *high)};
  });
  graph::writeRanges(stage, ranges);
  return stage;
}

using PrecisionCase = std::tuple<Case, graph::Precision>;

class LowPrecision : public testing::TestWithParam<PrecisionCase> {
protected:
  void SetUp() override {
    if (!engine::hasOneDnn()) GTEST_SKIP() << "this build has no oneDNN";
    const auto& [one, precision] = GetParam();
    stage_ = one.layouts.size() == 1 ? withRanges(one.stage(), one.layouts[0]) : one.stage();
    layouts_ = one.layouts;
    try {
      low_ = engine::makeOneDnnEngine(stage_, layouts_, precision, engine::RowSplit::always);
    } catch (const Error& error) {
      const std::string message = error.what();
      if (message.find("no instructions") == std::string::npos) throw;
      GTEST_SKIP() << message;
    }
  }

  onnx::ModelProto stage_;
  std::vector<Layout> layouts_;
  std::unique_ptr<engine::StageEngine> low_;
};

TEST_P(LowPrecision, IsCloseToFloat32) {
  // Half a step of 1/256 (bf16) or 1/127 of the largest value (int8) for a weight and as much for a value,
  // and errors of a row of four convolutions add up; products of both signs cancel while errors do not.
  const double tolerance = std::get<1>(GetParam()) == graph::Precision::bf16 ? 0.03 : 0.06;
  const auto full = engine::makeOneDnnEngine(stage_, layouts_);
  full->prepare(1, 1);
  low_->prepare(1, 1);
  for (const uint32_t seed : {1u, 2u}) {
    const Rows inputs = makeInputs(stage_, seed);
    const Rows expected = run(*full, stage_, inputs, 0), found = run(*low_, stage_, inputs, 0);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_LE(test::relativeDifference(expected[i], found[i]), tolerance)
          << "output " << i << ", seed " << seed;
  }
}

TEST_P(LowPrecision, ARowDependsOnNothingButItsInputs) {
  const Rows inputs = makeInputs(stage_, 3);
  low_->prepare(2, 1);
  const Rows expected = run(*low_, stage_, inputs, 0);
  EXPECT_EQ(run(*low_, stage_, inputs, 1), expected) << "another slot";
  for (const int threadCount : {2, 3}) {
    low_->prepare(2, threadCount);
    EXPECT_EQ(run(*low_, stage_, inputs, -1), expected) << threadCount << " threads";
    EXPECT_EQ(run(*low_, stage_, inputs, 1), expected) << "a slot beside " << threadCount << " threads";
  }
}

std::vector<Case> lowPrecisionCases() {
  std::vector<Case> all = cases();
  for (const char* addend : {"signed", "unsigned"})
    all.push_back({text("ConvolutionsInARow_", addend), [addend] { return convolutionsInARow(addend); }});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Stages, LowPrecision,
                         testing::Combine(testing::ValuesIn(lowPrecisionCases()),
                                          testing::Values(graph::Precision::bf16, graph::Precision::int8)),
                         [](const auto& instance) {
                           return std::get<0>(instance.param).name + "_" +
                                  graph::nameOf(std::get<1>(instance.param));
                         });

}  // namespace
}  // namespace rdi
