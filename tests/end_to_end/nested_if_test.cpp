// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// The nested-If file takes the exits of the rule in ONNX Runtime: on scores that are given to it as its
// input, so that every number is known to the bit.

#include "graph/nested_if.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "graph/attributes.hpp"
#include "graph/exit_rule.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "tests/end_to_end/onnx_runtime.hpp"

namespace {

using rdi::graph::Criterion;
using rdi::graph::ExitRule;
using rdi::graph::Fusion;
using rdi::graph::Scores;

constexpr int kExits = 4;
constexpr int kClasses = 5;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Image N x exits x 1 x classes; exit k is row k of it. Ends in a Softmax where probabilities are asked for.
onnx::ModelProto scoresAsInput(int64_t opset, Scores scores) {
  onnx::ModelProto model;
  model.set_ir_version(opset < 9 ? 3 : 6);
  model.add_opset_import()->set_version(opset);
  auto& graph = *model.mutable_graph();
  graph.set_name("scores");
  rdi::graph::declareTensor(*graph.add_input(), "image", {1, kExits, 1, kClasses});
  const auto constant = [&](const std::string& name, const std::vector<int64_t>& values) {
    *graph.add_initializer() = rdi::graph::intTensor(name, {static_cast<int64_t>(values.size())}, values);
    if (model.ir_version() > 3) return;
    auto& input = *graph.add_input();  // before IR 4 every initializer is an input
    input.set_name(name);
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::INT64);
    type.mutable_shape()->add_dim()->set_dim_value(static_cast<int64_t>(values.size()));
  };
  constant("flat", {1, kClasses});
  const auto add = [&](const std::string& type, const std::vector<std::string>& inputs,
                       const std::string& output) -> onnx::NodeProto& {
    auto& node = *graph.add_node();
    node.set_op_type(type);
    node.set_name(output);
    for (const auto& input : inputs) node.add_input(input);
    node.add_output(output);
    return node;
  };
  for (int k = 0; k < kExits; ++k) {
    const std::string exit = k + 1 < kExits ? "exit" + std::to_string(k + 1) : "main";
    if (opset < 10) {
      auto& slice = add("Slice", {"image"}, exit + "_row");
      rdi::graph::setAttribute(slice, "axes", std::vector<int64_t>{1});
      rdi::graph::setAttribute(slice, "starts", std::vector<int64_t>{k});
      rdi::graph::setAttribute(slice, "ends", std::vector<int64_t>{k + 1});
    } else {
      constant(exit + "_start", {k});
      constant(exit + "_end", {k + 1});
      constant(exit + "_axis", {1});
      add("Slice", {"image", exit + "_start", exit + "_end", exit + "_axis"}, exit + "_row");
    }
    const bool softmax = scores == Scores::probabilities;
    add("Reshape", {exit + "_row", "flat"}, softmax ? exit + "_logits" : exit);
    if (softmax) rdi::graph::setAttribute(add("Softmax", {exit + "_logits"}, exit), "axis", int64_t{1});
    rdi::graph::declareTensor(*graph.add_output(), exit, {1, kClasses});
  }
  return model;
}

/// Sure and unsure rows, equal classes, ties, NaN and infinity, in no order.
std::vector<float> manyScores(int rows) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 1);
  std::uniform_int_distribution<int> pick(0, 99), aClass(0, kClasses - 1);
  std::vector<float> values(static_cast<size_t>(rows) * kExits * kClasses);
  for (int row = 0; row < rows; ++row) {
    const int answer = aClass(random);
    for (int k = 0; k < kExits; ++k) {
      float* scores = &values[(static_cast<size_t>(row) * kExits + k) * kClasses];
      for (int c = 0; c < kClasses; ++c) scores[c] = normal(random);
      scores[pick(random) < 70 ? answer : aClass(random)] += 4 * std::abs(normal(random));
      const int odd = pick(random);
      if (odd < 3) scores[aClass(random)] = kNaN;
      if (odd == 3) scores[aClass(random)] = kInfinity;
      if (odd == 4) scores[aClass(random)] = -kInfinity;
      if (odd == 5) std::fill(scores, scores + kClasses, kNaN);
      if (odd > 5 && odd < 9) scores[aClass(random)] = scores[aClass(random)];
      if (odd > 8 && odd < 12) std::fill(scores, scores + kClasses, 0.5f);
      if (odd > 11 && odd < 16) scores[answer] += 60;
    }
  }
  return values;
}

std::string describe(const ExitRule& rule) {
  std::string result = nameOf(rule.criterion) + ", " + nameOf(rule.fusion) + ", " + nameOf(rule.scores) +
                       ", patience " + std::to_string(rule.patience) + ", thresholds";
  for (const float threshold : rule.thresholds) result += " " + std::to_string(threshold);
  return result;
}

/// Compares every row's exit and scores with the rule's.
void compare(const ExitRule& rule, int64_t opset) {
  SCOPED_TRACE(describe(rule) + ", opset " + std::to_string(opset));
  const int rows = 600;
  const auto values = manyScores(rows);
  const auto model = rdi::graph::buildNestedIf(scoresAsInput(opset, rule.scores), {}, rule);
  const auto found = rdi::test::runOnnxRuntime(model, {rows, kExits, 1, kClasses}, values);
  ASSERT_EQ(found.size(), static_cast<size_t>(rows) * (kClasses + 1));
  std::vector<int> taken(kExits);
  for (int row = 0; row < rows; ++row) {
    std::vector<float> own(values.begin() + row * kExits * kClasses,
                           values.begin() + (row + 1) * kExits * kClasses);
    std::vector<const float*> scores;
    for (int k = 0; k < kExits; ++k) {
      float* scoresOfExit = &own[static_cast<size_t>(k) * kClasses];
      if (rule.scores == Scores::probabilities) {
        const std::vector<float> logits(scoresOfExit, scoresOfExit + kClasses);
        rdi::graph::toProbabilities(logits.data(), kClasses, Scores::logits, scoresOfExit);
      }
      scores.push_back(scoresOfExit);
    }
    const int expected = rdi::graph::exitTaken(scores.data(), kExits, kClasses, rule);
    const float* answer = &found[static_cast<size_t>(row) * (kClasses + 1)];
    ++taken[static_cast<size_t>(expected)];
    ASSERT_EQ(answer[kClasses], static_cast<float>(expected)) << "row " << row;
    std::vector<float> fused(kClasses);
    rdi::graph::fuseScores(scores.data(), expected, kClasses, rule.fusion, rule.scores, fused.data());
    for (int c = 0; c < kClasses; ++c) {
      if (std::isnan(fused[c]) || std::isinf(fused[c])) {
        EXPECT_EQ(std::isnan(answer[c]), std::isnan(fused[c])) << "row " << row;
        continue;
      }
      EXPECT_NEAR(answer[c], fused[c], 1e-5 * std::max(1.0f, std::abs(fused[c]))) << "row " << row;
    }
  }
  EXPECT_GT(taken[kExits - 1], 0);
}

class NestedIf : public testing::Test {
protected:
  void SetUp() override {
    const std::string reason = rdi::test::whyNoOnnxRuntime();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_F(NestedIf, TakesTheExitsOfEveryRule) {
  for (const Criterion criterion : {Criterion::entropy, Criterion::maxProbability, Criterion::margin})
    for (const Fusion fusion : {Fusion::last, Fusion::mean})
      for (const Scores scores : {Scores::logits, Scores::probabilities})
        for (const int patience : {1, 2, 3}) {
          ExitRule rule;
          rule.criterion = criterion;
          rule.fusion = fusion;
          rule.scores = scores;
          rule.patience = patience;
          rule.thresholds = {0.2f, 0.4f, 0.6f};
          compare(rule, 11);
        }
}

TEST_F(NestedIf, KnowsInfiniteThresholds) {
  for (const int patience : {1, 2})
    for (const Fusion fusion : {Fusion::last, Fusion::mean})
      for (const std::vector<float>& thresholds :
           {std::vector<float>{-kInfinity, 0.5f, kInfinity}, std::vector<float>{kInfinity, 0.5f, 0.5f},
            std::vector<float>{0.3f, -kInfinity, -kInfinity}}) {
        ExitRule rule;
        rule.fusion = fusion;
        rule.patience = patience;
        rule.thresholds = thresholds;
        compare(rule, 13);
      }
}

// A threshold that is an input's own uncertainty: below it by no bit, so the input stays.
TEST_F(NestedIf, AgreesOnTheThresholdItself) {
  const auto values = manyScores(600);
  for (const Criterion criterion : {Criterion::entropy, Criterion::maxProbability, Criterion::margin})
    for (int row = 0; row < 600; row += 150) {
      ExitRule rule;
      rule.criterion = criterion;
      for (int k = 0; k + 1 < kExits; ++k) {
        std::vector<float> probabilities(kClasses);
        for (int other = row;; ++other) {
          const float* scores = &values[(static_cast<size_t>(other) * kExits + k) * kClasses];
          rdi::graph::toProbabilities(scores, kClasses, Scores::logits, probabilities.data());
          const float found = rdi::graph::uncertainty(probabilities.data(), kClasses, criterion);
          if (std::isnan(found)) continue;
          rule.thresholds.push_back(found);
          break;
        }
      }
      compare(rule, 11);
    }
}

TEST_F(NestedIf, RunsInEveryOpset) {
  for (const int64_t opset : {7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17})
    for (const Criterion criterion : {Criterion::entropy, Criterion::margin}) {
      ExitRule rule;
      rule.criterion = criterion;
      rule.fusion = Fusion::mean;
      rule.patience = 2;
      rule.thresholds = {0.3f, 0.5f, 0.7f};
      compare(rule, opset);
    }
}

}  // namespace
