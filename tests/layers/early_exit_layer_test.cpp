// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/early_exit_layer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "layers/select_layer.hpp"
#include "tests/layers/messages.hpp"

namespace rdi {
namespace {

using test::mentions;
using test::messageOf;

using cv::dnn::LayerParams;
using cv::dnn::MatShape;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

LayerParams gateParams(int index, bool main, float threshold) {
  LayerParams params;
  params.type = "RdiEarlyExit";
  params.name = "gate";
  params.set("index", index);
  if (main) params.set("main", 1);
  params.set("criterion", cv::String("max_probability"));
  params.set("fusion", cv::String("last"));
  params.set("scores", cv::String("probabilities"));
  params.set("patience", 1);
  params.set("exit", cv::String("exit1"));
  if (!main) params.blobs.push_back(cv::Mat(1, 1, CV_32F, cv::Scalar(threshold)));
  return params;
}

cv::Mat rows(std::initializer_list<std::initializer_list<float>> values) {
  cv::Mat result(static_cast<int>(values.size()), static_cast<int>(values.begin()->size()), CV_32F);
  float* to = result.ptr<float>();
  for (const auto& row : values)
    for (const float value : row) *to++ = value;
  return result;
}

std::vector<float> run(cv::dnn::Layer& layer, const std::vector<cv::Mat>& inputs) {
  std::vector<MatShape> shapes, outputShapes, internals;
  for (const cv::Mat& input : inputs) shapes.push_back({input.rows, input.cols});
  layer.getMemoryShapes(shapes, 1, outputShapes, internals);
  std::vector<cv::Mat> outputs{cv::Mat(outputShapes.at(0), CV_32F, cv::Scalar(99))}, scratch;
  const cv::InputArrayOfArrays from(inputs);
  layer.finalize(from, cv::OutputArrayOfArrays(outputs));
  layer.forward(from, cv::OutputArrayOfArrays(outputs), cv::OutputArrayOfArrays(scratch));
  return {outputs[0].ptr<float>(), outputs[0].ptr<float>() + outputs[0].total()};
}

TEST(EarlyExitLayer, SureRowsLeaveAndUnsureOnesStay) {
  EarlyExitLayer gate(gateParams(0, false, 0.3f));
  EXPECT_EQ(run(gate, {rows({{0.8f, 0.2f}, {0.6f, 0.4f}, {0.1f, 0.9f}})}), (std::vector<float>{0, -1, 0}));
  EXPECT_EQ(gate.lastStates(), (std::vector<int>{0, -1, 0}));
}

TEST(EarlyExitLayer, TheThresholdItselfIsNotSureEnough) {
  EarlyExitLayer gate(gateParams(0, false, 0.25f));
  EXPECT_EQ(run(gate, {rows({{0.75f, 0.25f}})}), (std::vector<float>{-1}));
}

TEST(EarlyExitLayer, InfinityLetsEverybodyLeaveAndMinusInfinityNobody) {
  const std::vector<cv::Mat> scores{rows({{1, 0}, {0.5f, 0.5f}})};
  EarlyExitLayer open(gateParams(0, false, kInfinity)), shut(gateParams(0, false, -kInfinity));
  EXPECT_EQ(run(open, scores), (std::vector<float>{0, 0}));
  EXPECT_EQ(run(shut, scores), (std::vector<float>{-1, -1}));
}

TEST(EarlyExitLayer, NanScoresAreNeverSureAndEndAtTheMainExit) {
  const cv::Mat scores = rows({{kNan, 0.2f}, {0.9f, 0.1f}});
  EarlyExitLayer open(gateParams(0, false, kInfinity)), last(gateParams(1, true, 0));
  const std::vector<float> state = run(open, {scores});
  EXPECT_EQ(state, (std::vector<float>{-1, 0}));
  EXPECT_EQ(run(last, {scores, scores, rows({{state[0]}, {state[1]}})}), (std::vector<float>{1, 0}));
}

TEST(EarlyExitLayer, RowsThatLeftKeepTheirExit) {
  EarlyExitLayer gate(gateParams(1, false, kInfinity));
  const cv::Mat scores = rows({{0.9f, 0.1f}, {0.9f, 0.1f}});
  EXPECT_EQ(run(gate, {scores, scores, rows({{0}, {-1}})}), (std::vector<float>{0, 1}));
}

TEST(EarlyExitLayer, PatienceAsksForAgreementOfExitsInARow) {
  LayerParams params = gateParams(1, false, 1e9f);
  params.set("patience", 2);
  EarlyExitLayer gate(params);
  const cv::Mat first = rows({{0.9f, 0.1f}, {0.9f, 0.1f}}), second = rows({{0.2f, 0.8f}, {0.6f, 0.4f}});
  EXPECT_EQ(run(gate, {first, second, rows({{-1}, {-1}})}), (std::vector<float>{-1, 1}));
}

TEST(EarlyExitLayer, PatienceCannotBeSatisfiedBeforeSoManyExitsButABoundHolds) {
  for (const auto& [threshold, state] : {std::pair<float, float>{1e9f, -1.0f}, {kInfinity, 0.0f}}) {
    LayerParams params = gateParams(0, false, threshold);
    params.set("patience", 2);
    EarlyExitLayer gate(params);
    EXPECT_EQ(run(gate, {rows({{1, 0}})}), (std::vector<float>{state}));
  }
}

TEST(EarlyExitLayer, FusionJudgesTheMeanOfTheProbabilities) {
  LayerParams params = gateParams(1, false, 0.3f);
  params.set("fusion", cv::String("mean"));
  EarlyExitLayer gate(params);
  // Means: (0.65, 0.35) is not sure enough, (0.75, 0.25) is.
  const cv::Mat first = rows({{0.4f, 0.6f}, {0.6f, 0.4f}}), second = rows({{0.9f, 0.1f}, {0.9f, 0.1f}});
  EXPECT_EQ(run(gate, {first, second, rows({{-1}, {-1}})}), (std::vector<float>{-1, 1}));
}

TEST(EarlyExitLayer, ReadsTheThresholdAtEveryForward) {
  EarlyExitLayer gate(gateParams(0, false, kInfinity));
  const std::vector<cv::Mat> scores{rows({{0.8f, 0.2f}})};
  EXPECT_EQ(run(gate, scores), (std::vector<float>{0}));
  gate.blobs[0] = cv::Mat(1, 1, CV_32F, cv::Scalar(0.1));
  EXPECT_EQ(run(gate, scores), (std::vector<float>{-1}));
}

TEST(EarlyExitLayer, RefusesAThresholdThatIsNoNumberOrNotOne) {
  EarlyExitLayer gate(gateParams(0, false, 0.5f));
  const std::vector<cv::Mat> scores{rows({{0.8f, 0.2f}})};
  gate.blobs[0] = cv::Mat(1, 1, CV_32F, cv::Scalar(kNan));
  std::string message = messageOf([&] { run(gate, scores); });
  EXPECT_TRUE(mentions(message, "NaN") && mentions(message, "'gate'")) << message;
  gate.blobs[0] = cv::Mat(1, 3, CV_32F, cv::Scalar(0));
  message = messageOf([&] { run(gate, scores); });
  EXPECT_TRUE(mentions(message, "3 values, expected 1")) << message;
  gate.blobs.clear();
  message = messageOf([&] { run(gate, scores); });
  EXPECT_TRUE(mentions(message, "0 values, expected 1")) << message;
}

TEST(EarlyExitLayer, RefusesAttributesItDoesNotKnow) {
  const auto with = [](const char* name, const char* value) {
    LayerParams params = gateParams(0, false, 0.5f);
    params.set(name, cv::String(value));
    return messageOf([&] { EarlyExitLayer layer(params); });
  };
  EXPECT_TRUE(mentions(with("criterion", "mood"), "mood")) << with("criterion", "mood");
  EXPECT_TRUE(mentions(with("fusion", "cold"), "cold"));
  EXPECT_TRUE(mentions(with("scores", "stars"), "stars"));
  EXPECT_TRUE(mentions(with("paid_macs", "many"), "paid_macs"));
  EXPECT_TRUE(mentions(with("index", "one"), "index"));
}

TEST(EarlyExitLayer, RefusesMissingAttributesAndImpossibleNumbers) {
  for (const char* name : {"index", "criterion", "fusion", "scores", "patience", "exit"}) {
    LayerParams params = gateParams(0, false, 0.5f);
    params.erase(name);
    const std::string message = messageOf([&] { EarlyExitLayer layer(params); });
    EXPECT_TRUE(mentions(message, name) && mentions(message, "missing")) << message;
  }
  for (const auto& [name, value] : {std::pair<const char*, int>{"patience", 0}, {"index", -1}}) {
    LayerParams params = gateParams(0, false, 0.5f);
    params.set(name, value);
    EXPECT_TRUE(mentions(messageOf([&] { EarlyExitLayer layer(params); }), name));
  }
  LayerParams params = gateParams(0, false, 0.5f);
  params.blobs.clear();
  EXPECT_TRUE(mentions(messageOf([&] { EarlyExitLayer layer(params); }), "threshold"));
}

TEST(EarlyExitLayer, RefusesInputsOfOtherShapes) {
  EarlyExitLayer gate(gateParams(1, false, 0.5f));
  const cv::Mat scores = rows({{0.8f, 0.2f}}), state = rows({{-1}});
  EXPECT_TRUE(mentions(messageOf([&] { run(gate, {scores, scores}); }), "2 inputs, expected 3"));
  EXPECT_TRUE(mentions(messageOf([&] {
                         run(gate, {scores, rows({{1, 2, 3}}), state});
                       }),
                       "input 2 is 1x3, expected 1x2"));
  EXPECT_TRUE(mentions(messageOf([&] {
                         run(gate, {scores, scores, scores});
                       }),
                       "input 3 is 1x2, expected 1x1"));
}

LayerParams selectParams(const char* fusion, const char* scores) {
  LayerParams params;
  params.type = "RdiSelect";
  params.name = "select";
  params.set("fusion", cv::String(fusion));
  params.set("scores", cv::String(scores));
  return params;
}

TEST(SelectLayer, GivesTheScoresOfTheExitTaken) {
  SelectLayer select(selectParams("last", "logits"));
  const cv::Mat first = rows({{1, 2}, {3, 4}, {5, 6}}), second = rows({{kNan, kNan}, {-3, -4}, {-5, -6}});
  EXPECT_EQ(run(select, {rows({{0}, {1}, {0}}), first, second}), (std::vector<float>{1, 2, -3, -4, 5, 6}));
}

TEST(SelectLayer, FusesOnlyTheExitsThatWereReached) {
  SelectLayer select(selectParams("mean", "probabilities"));
  const cv::Mat first = rows({{0.5f, 0.5f}, {0.25f, 0.75f}}), second = rows({{kNan, kNan}, {0.75f, 0.25f}});
  EXPECT_EQ(run(select, {rows({{0}, {1}}), first, second}), (std::vector<float>{0.5f, 0.5f, 0.5f, 0.5f}));
}

TEST(SelectLayer, RefusesAStateThatNamesNoExit) {
  SelectLayer select(selectParams("last", "logits"));
  const cv::Mat scores = rows({{1, 2}});
  for (const float state : {-1.0f, 1.0f, kNan, 1e20f})
    EXPECT_TRUE(mentions(messageOf([&] { run(select, {rows({{state}}), scores}); }), "exit state")) << state;
  EXPECT_TRUE(mentions(messageOf([&] { run(select, {rows({{0}, {0}}), scores}); }), "expected 1x1"));
}

}  // namespace
}  // namespace rdi
