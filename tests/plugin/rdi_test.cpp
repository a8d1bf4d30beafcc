// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <rdi/rdi.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>
#include <thread>

#include "graph/attributes.hpp"
#include "graph/cost.hpp"
#include "graph/early_exit.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "tests/layers/early_exit_nets.hpp"
#include "tests/layers/messages.hpp"

namespace rdi {
namespace {

using test::mentions;
using test::messageOf;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class Plugin : public testing::Test {
protected:
  onnx::ModelProto model_ = test::zooModel("rdi-smallcnn");
};

TEST_F(Plugin, RegisteringAgainFromAnyThreadDoesNothing) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([] { registerLayers(); });
  for (std::thread& thread : threads) thread.join();
  registerLayers();
  EXPECT_TRUE(cv::dnn::LayerFactory::isLayerRegistered("RdiStage"));
  EXPECT_TRUE(cv::dnn::LayerFactory::isLayerRegistered("RdiBranchClassifier"));
  EXPECT_TRUE(cv::dnn::LayerFactory::isLayerRegistered("RdiEarlyExit"));
  EXPECT_TRUE(cv::dnn::LayerFactory::isLayerRegistered("RdiSelect"));
}

TEST_F(Plugin, StagesSayWhatTheFileAsksForAndWhatTheProcessorGets) {
  const cv::dnn::Net net = test::load(test::earlyExitModel(model_));
  const std::vector<StageInfo> infos = stages(net);
  ASSERT_EQ(infos.size(), 5u)
      << "a stage and a classifier an exit; what is left of the trunk is in the last one";
  EXPECT_EQ(infos[0].layer, "onnx_node!stage1");
  for (const StageInfo& info : infos) {
    EXPECT_EQ(info.engine, "onednn");
    EXPECT_EQ(info.precision, "float32");
    EXPECT_EQ(info.precisionInUse, "float32");
  }
  EXPECT_TRUE(stages(cv::dnn::Net()).empty());
}

TEST_F(Plugin, ExitsNameLayersThresholdsAndCosts) {
  graph::ExitRule rule;
  rule.thresholds = {0.25f, 0.5f};
  const cv::dnn::Net net = test::load(test::earlyExitModel(model_, rule));
  const std::vector<ExitInfo> infos = exits(net);
  ASSERT_EQ(infos.size(), 3u);
  EXPECT_EQ(infos[0].name, "exit1");
  EXPECT_EQ(infos[2].name, "main");
  EXPECT_EQ(infos[1].layer, "onnx_node!gate_exit2");
  EXPECT_EQ(infos[2].layer, kExitLayer);
  EXPECT_EQ(infos[1].threshold, 0.5f);
  const std::vector<graph::ExitCost> costs = graph::exitCosts(model_);
  for (size_t k = 0; k < infos.size(); ++k) {
    EXPECT_EQ(infos[k].ownMacs, static_cast<double>(costs[k].own.total()));
    EXPECT_EQ(infos[k].paidMacs, static_cast<double>(costs[k].paid.total()));
  }
  EXPECT_NEAR(infos[0].paperMi, costs[0].paperMi(), 1e-9);
  EXPECT_LT(infos[0].paidMacs, infos[1].paidMacs);
  EXPECT_LT(infos[1].paidMacs, infos[2].paidMacs);
  EXPECT_LT(infos[2].ownMacs, infos[2].paidMacs);
}

TEST_F(Plugin, ThresholdsApplyFromTheNextForward) {
  cv::dnn::Net net = test::load(test::earlyExitModel(model_));
  EXPECT_EQ(thresholds(net), (std::vector<float>{-kInfinity, -kInfinity}));
  EXPECT_TRUE(lastExits(net).empty());
  net.setInput(test::pictures(model_, 3));
  net.forward();
  EXPECT_EQ(lastExits(net), (std::vector<int>{2, 2, 2}));
  setThresholds(net, {-kInfinity, kInfinity});
  EXPECT_EQ(thresholds(net), (std::vector<float>{-kInfinity, kInfinity}));
  net.forward();
  EXPECT_EQ(lastExits(net), (std::vector<int>{1, 1, 1}));
  setThresholds(net, {kInfinity, kInfinity});
  net.setInput(test::pictures(model_, 1));
  net.forward();
  EXPECT_EQ(lastExits(net), (std::vector<int>{0}));
}

TEST_F(Plugin, RefusesThresholdsThatAreNoThresholds) {
  cv::dnn::Net net = test::load(test::earlyExitModel(model_));
  EXPECT_TRUE(mentions(messageOf([&] { setThresholds(net, {0.1f}); }), "1 thresholds given, the net has 2"));
  EXPECT_TRUE(mentions(messageOf([&] { setThresholds(net, {0.1f, std::nanf("")}); }), "threshold 2 is NaN"));
  EXPECT_EQ(thresholds(net), (std::vector<float>{-kInfinity, -kInfinity}));
}

// What half of the pictures are surer than at the first exit.
float medianUncertainty(const onnx::ModelProto& model, const cv::Mat& pictures, graph::Criterion criterion) {
  cv::dnn::Net net = test::load(graph::buildStatic(model, graph::exitNames(model)[0]));
  net.setInput(pictures);
  const cv::Mat scores = net.forward();
  std::vector<float> probabilities(static_cast<size_t>(scores.size[1])), all;
  for (int row = 0; row < scores.size[0]; ++row) {
    graph::toProbabilities(scores.ptr<float>(row), scores.size[1], graph::Scores::logits,
                           probabilities.data());
    all.push_back(graph::uncertainty(probabilities.data(), scores.size[1], criterion));
  }
  std::sort(all.begin(), all.end());
  return (all[all.size() / 2 - 1] + all[all.size() / 2]) / 2;
}

// Points that differ from the file's rule in everything that a rule has.
onnx::ModelProto withPoints(onnx::ModelProto model) {
  graph::Metadata metadata;
  graph::ExitRule fast, careful, patient;
  fast.thresholds = {kInfinity, kInfinity};
  careful.criterion = graph::Criterion::margin;
  careful.fusion = graph::Fusion::mean;
  careful.thresholds = {medianUncertainty(model, test::pictures(model, 60), careful.criterion), -kInfinity};
  patient.criterion = graph::Criterion::maxProbability;
  patient.patience = 2;
  patient.thresholds = {1, 1};
  metadata.operatingPoints = {
      {"careful", careful, nullptr}, {"fast", fast, nullptr}, {"patient", patient, nullptr}};
  graph::writeMetadata(model, metadata);
  return model;
}

TEST_F(Plugin, AnOperatingPointAnswersAsAFileMadeForIt) {
  const onnx::ModelProto model = withPoints(model_);
  const cv::Mat pictures = test::pictures(model, 60);
  cv::dnn::Net net = test::load(test::earlyExitModel(model));
  EXPECT_EQ(operatingPoints(net), (std::vector<std::string>{"careful", "default", "fast", "patient"}));
  net.setInput(pictures);
  const auto expectRule = [&](const graph::ExitRule& rule) {
    cv::dnn::Net expected = test::load(test::earlyExitModel(model_, rule));
    expected.setInput(pictures);
    const std::vector<float> scores = test::valuesOf(expected.forward());
    EXPECT_EQ(test::valuesOf(net.forward()), scores);
    EXPECT_EQ(lastExits(net), lastExits(expected));
    EXPECT_EQ(thresholds(net), rule.thresholds);
    const std::vector<int> taken = lastExits(net);
    return std::set<int>(taken.begin(), taken.end()).size();
  };
  size_t mostExits = 0;
  for (const graph::OperatingPoint& point : graph::readMetadata(model).operatingPoints) {
    SCOPED_TRACE(point.name);
    setOperatingPoint(net, point.name);
    mostExits = std::max(mostExits, expectRule(point.rule));
  }
  EXPECT_GT(mostExits, 1u) << "no rule had anything to decide";
  setOperatingPoint(net, "default");
  expectRule(graph::mainExitOnly(3));
}

TEST_F(Plugin, AWrongOperatingPointChangesNothingAndNamesThoseThatAreThere) {
  cv::dnn::Net net = test::load(test::earlyExitModel(withPoints(model_)));
  EXPECT_TRUE(
      mentions(messageOf([&] { setOperatingPoint(net, "fats"); }),
               "no operating point 'fats'; did you mean fast?; it has careful, default, fast, patient"));
  EXPECT_EQ(thresholds(net), (std::vector<float>{-kInfinity, -kInfinity}));
  cv::dnn::Net without = test::load(test::earlyExitModel(model_));
  EXPECT_TRUE(operatingPoints(without).empty());
  EXPECT_TRUE(
      mentions(messageOf([&] { setOperatingPoint(without, "fast"); }), "the net has no operating points"));
}

TEST_F(Plugin, DamagedOperatingPointsAreRefusedWhenTheNetIsLoaded) {
  for (const char* damaged :
       {"{", "[]", "{\"fast\": {\"thresholds\": [1]}}", "{\"fast\": {\"criterion\": \"hope\"}}"}) {
    onnx::ModelProto early = test::earlyExitModel(withPoints(model_));
    for (auto& node : *early.mutable_graph()->mutable_node())
      if (node.name() == "exit") graph::setAttribute(node, "operating_points", std::string(damaged));
    EXPECT_TRUE(mentions(messageOf([&] {
                           cv::dnn::Net net = test::load(early);
                           net.setInput(test::pictures(model_, 1));
                           net.forward();
                         }),
                         "attribute operating_points cannot be read"))
        << damaged;
  }
}

TEST_F(Plugin, SaysThatAnotherNetHasNoExits) {
  cv::dnn::Net net;
  EXPECT_TRUE(mentions(messageOf([&] { exits(net); }), "rdi-convert"));
}

TEST_F(Plugin, ReadsWhatAModelFileSaysAboutItself) {
  graph::Metadata metadata;
  metadata.architecture = "rdi-smallcnn";
  metadata.classNames = {"a", "b"};
  metadata.preprocessing = graph::Preprocessing();
  metadata.preprocessing->scale = 0.5;
  metadata.preprocessing->mean = {3};
  metadata.preprocessing->channels = 1;
  metadata.preprocessing->height = 28;
  metadata.preprocessing->width = 28;
  graph::writeMetadata(model_, metadata);
  const std::string path = testing::TempDir() + "rdi_plugin_info.onnx";
  graph::saveModel(model_, path);
  const ModelInfo info = readModelInfo(path);
  std::remove(path.c_str());
  EXPECT_EQ(info.architecture, "rdi-smallcnn");
  EXPECT_EQ(info.classNames, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(info.channels, 1);
  EXPECT_EQ(info.size, cv::Size(28, 28));

  const cv::Mat grey(28, 28, CV_8U, cv::Scalar(13)), colour(56, 56, CV_8UC3, cv::Scalar(13, 13, 13));
  for (const cv::Mat& picture : {grey, colour}) {
    const cv::Mat blob = blobFromImage(picture, info);
    ASSERT_EQ(blob.total(), 784u);
    EXPECT_NEAR(*blob.ptr<float>(), (13 - 3) * 0.5, 1e-6);
  }
  EXPECT_TRUE(mentions(messageOf([&] { blobFromImage(cv::Mat(), info); }), "8-bit"));
  EXPECT_TRUE(mentions(messageOf([&] { blobFromImage(cv::Mat(4, 4, CV_32F), info); }), "8-bit"));
}

TEST_F(Plugin, SaysWhichModelFileCannotBeRead) {
  EXPECT_TRUE(mentions(messageOf([] { readModelInfo("no/such/file.onnx"); }), "no/such/file.onnx"));
}

TEST_F(Plugin, LoadingAndRunningPrintNothing) {
  const onnx::ModelProto early = test::earlyExitModel(model_);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  cv::dnn::Net net = test::load(early);
  net.setInput(test::pictures(model_, 4));
  net.forward();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace rdi
