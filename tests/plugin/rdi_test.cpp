// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <rdi/rdi.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <thread>

#include "graph/cost.hpp"
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
