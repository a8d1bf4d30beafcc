// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Whole early-exit nets through cv::dnn.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <thread>

#include "graph/cost.hpp"
#include "graph/early_exit.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/zoo.hpp"
#include "layers/early_exit_layer.hpp"
#include "layers/layer_table.hpp"
#include "layers/stage_layer.hpp"
#include "tests/layers/early_exit_nets.hpp"
#include "tests/layers/messages.hpp"
#include "tests/layers/model_builder.hpp"

namespace rdi {
namespace {

using test::mentions;
using test::messageOf;

using test::load;
using test::pictures;
using test::row;
using test::Threads;
using test::valuesOf;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kTolerance = 1e-4;  // of the largest score: two engines' float sums in different orders
const std::string kExit = "onnx_node!exit";

cv::Mat forward(cv::dnn::Net& net, const cv::Mat& blob) {
  net.setInput(blob);
  return net.forward().clone();
}

std::vector<float> exitsTaken(cv::dnn::Net& net, const cv::Mat& blob) {
  net.setInput(blob);
  std::vector<cv::Mat> outputs;
  net.forward(outputs, std::vector<cv::String>{"scores", kExit});
  return valuesOf(outputs[1]);
}

/// Thresholds by which about equally many of the rows leave at each exit.
std::vector<float> spreadingThresholds(const onnx::ModelProto& model, const cv::Mat& blob,
                                       const graph::ExitRule& rule) {
  const std::vector<std::string> names = graph::exitNames(model);
  std::vector<int> left(static_cast<size_t>(blob.size[0]));
  for (size_t i = 0; i < left.size(); ++i) left[i] = static_cast<int>(i);
  std::vector<float> thresholds;
  for (size_t exit = 0; exit + 1 < names.size(); ++exit) {
    cv::dnn::Net net = load(graph::buildStatic(model, names[exit]));
    const cv::Mat scores = forward(net, blob);
    const int classCount = scores.size[1];
    std::vector<float> probabilities(static_cast<size_t>(classCount));
    std::vector<std::pair<float, int>> order;
    for (const int one : left) {
      graph::toProbabilities(scores.ptr<float>(one), classCount, rule.scores, probabilities.data());
      order.push_back({graph::uncertainty(probabilities.data(), classCount, rule.criterion), one});
    }
    std::sort(order.begin(), order.end());
    const size_t leaving = order.size() / (names.size() - exit);
    // Between two rows: no row is so close that another engine's rounding could move it.
    thresholds.push_back((order[leaving - 1].first + order[leaving].first) / 2);
    left.clear();
    for (size_t i = leaving; i < order.size(); ++i) left.push_back(order[i].second);
  }
  return thresholds;
}

class Nets : public testing::TestWithParam<std::string> {
protected:
  static void SetUpTestSuite() { registerLayerTypes(); }
};

TEST_P(Nets, EveryForcedExitAgreesWithItsStaticNetInOpenCv) {
  const onnx::ModelProto model = test::zooModel(GetParam());
  const std::vector<std::string> names = graph::exitNames(model);
  const cv::Mat blob = pictures(model, 2);
  cv::dnn::Net net = load(test::earlyExitModel(model));
  for (size_t exit = 0; exit < names.size(); ++exit) {
    for (size_t i = 0; i + 1 < names.size(); ++i)
      net.setParam("onnx_node!gate_" + names[i], 0,
                   cv::Mat(1, 1, CV_32F, cv::Scalar(i == exit ? kInfinity : -kInfinity)));
    cv::dnn::Net reference = load(graph::buildStatic(model, names[exit]));
    const std::vector<float> expected = valuesOf(forward(reference, blob));
    EXPECT_LE(test::relativeDifference(expected, valuesOf(forward(net, blob))), kTolerance) << names[exit];
    EXPECT_EQ(exitsTaken(net, blob), std::vector<float>(2, static_cast<float>(exit)));
  }
}

TEST_P(Nets, TheOpenCvEngineGivesTheSameAnswers) {
  const onnx::ModelProto model = test::zooModel(GetParam());
  const cv::Mat blob = pictures(model, 3);
  cv::dnn::Net ours = load(test::earlyExitModel(model, {}, "auto")),
               theirs = load(test::earlyExitModel(model, {}, "opencv"));
  EXPECT_LE(test::relativeDifference(valuesOf(forward(theirs, blob)), valuesOf(forward(ours, blob))),
            kTolerance);
}

TEST_P(Nets, OnlyUndecidedRowsOfAMixedBatchAreComputedAndEachEqualsItsBatchOfOne) {
  constexpr int kRows = 64;
  const onnx::ModelProto model = test::zooModel(GetParam());
  const std::vector<std::string> names = graph::exitNames(model);
  const cv::Mat blob = pictures(model, kRows);
  graph::ExitRule rule;
  rule.thresholds = spreadingThresholds(model, blob, rule);
  for (const std::string engine : {"auto", "opencv"}) {
    if (engine == "opencv" && GetParam() != "rdi-smallcnn") continue;  // slow, and one net shows it
    const onnx::ModelProto early = test::earlyExitModel(model, rule, engine);
    std::vector<std::vector<float>> alone;
    std::vector<float> exitAlone;
    {
      const Threads threads(1);
      cv::dnn::Net net = load(early);
      for (int i = 0; i < kRows; ++i) {
        alone.push_back(valuesOf(forward(net, row(blob, i))));
        exitAlone.push_back(exitsTaken(net, row(blob, i)).at(0));
      }
    }
    for (size_t exit = 0; exit < names.size(); ++exit)
      EXPECT_GT(std::count(exitAlone.begin(), exitAlone.end(), static_cast<float>(exit)), 0) << names[exit];

    for (const int threadCount : {1, 2, 3}) {
      const Threads threads(threadCount);
      cv::dnn::Net net = load(early);
      EXPECT_EQ(exitsTaken(net, blob), exitAlone);
      const cv::Mat scores = forward(net, blob);
      for (int i = 0; i < kRows; ++i)
        EXPECT_EQ(valuesOf(row(scores, i)), alone[static_cast<size_t>(i)])
            << "row " << i << ", " << threadCount << " threads";
      for (size_t exit = 0; exit < names.size(); ++exit) {
        const auto left = std::count_if(exitAlone.begin(), exitAlone.end(),
                                        [&](float taken) { return taken >= static_cast<float>(exit); });
        const auto classifier = test::layerOf<StageLayer>(net, "classifier_" + names[exit]);
        EXPECT_EQ(classifier->computedRows(), left) << names[exit];
        const std::string stage = "onnx_node!stage" + std::to_string(exit + 1);
        if (net.getLayerId(stage) < 0) continue;
        EXPECT_EQ(net.getLayer(net.getLayerId(stage)).dynamicCast<StageLayer>()->computedRows(), left)
            << stage;
      }
      if (engine != "auto") continue;
      for (const int one : {0, 17, 63})
        EXPECT_EQ(valuesOf(forward(net, row(blob, one))), alone[static_cast<size_t>(one)])
            << threadCount << " threads";
    }
  }
}

TEST_P(Nets, FlopsAreThoseOfTheFullPass) {
  const onnx::ModelProto model = test::zooModel(GetParam());
  const onnx::ModelProto early = test::earlyExitModel(model);
  cv::dnn::Net net = load(early);
  const graph::Shape shape = graph::inputShape(model);
  const cv::dnn::MatShape input{3, static_cast<int>(shape[0]), static_cast<int>(shape[1]),
                                static_cast<int>(shape[2])};
  int64_t macs = 0;
  for (const onnx::NodeProto& node : early.graph().node())
    for (const onnx::AttributeProto& attribute : node.attribute())
      if (attribute.name() == "graph")
        macs += graph::modelMacs(graph::parseUnchecked(attribute.s().data(), attribute.s().size(), "stage"))
                    .total();
  EXPECT_GT(macs, 0);
  EXPECT_EQ(net.getFLOPS(input), 3 * 2 * macs);
}

INSTANTIATE_TEST_SUITE_P(Zoo, Nets, testing::ValuesIn(zoo::architectures()), [](const auto& instance) {
  std::string name = instance.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

class Net : public testing::Test {
protected:
  static void SetUpTestSuite() { registerLayerTypes(); }

  onnx::ModelProto model_ = test::zooModel("rdi-smallcnn");
};

onnx::NodeProto& nodeOf(onnx::ModelProto& model, const std::string& name) {
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node())
    if (node.name() == name) return node;
  throw std::runtime_error("no node " + name);
}

void setText(onnx::NodeProto& node, const std::string& name, const std::string& value) {
  for (onnx::AttributeProto& attribute : *node.mutable_attribute())
    if (attribute.name() == name) attribute.set_s(value);
}

TEST_F(Net, TheBatchMayChangeBetweenForwards) {
  cv::dnn::Net net = load(test::earlyExitModel(model_));
  const cv::Mat blob = pictures(model_, 5);
  const std::vector<float> expected = valuesOf(forward(net, blob));
  for (const int one : {3, 0}) {
    const std::vector<float> found = valuesOf(forward(net, row(blob, one)));
    EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin() + one * 10));
  }
  EXPECT_EQ(valuesOf(forward(net, blob)), expected);
}

TEST_F(Net, TheNumberOfThreadsMayChangeBetweenForwards) {
  cv::dnn::Net net = load(test::earlyExitModel(model_));
  const cv::Mat one = pictures(model_, 1), many = pictures(model_, 7);
  std::vector<float> expectedOne, expectedMany;
  for (const int threadCount : {1, 2, 1, 4}) {
    const Threads threads(threadCount);
    const std::vector<float> foundOne = valuesOf(forward(net, one)), foundMany = valuesOf(forward(net, many));
    if (expectedOne.empty()) expectedOne = foundOne, expectedMany = foundMany;
    EXPECT_EQ(foundOne, expectedOne);
    EXPECT_EQ(foundMany, expectedMany);
  }
}

TEST_F(Net, OneNetInEachOfTwoThreadsIsSafe) {
  const onnx::ModelProto early = test::earlyExitModel(model_);
  const cv::Mat blob = pictures(model_, 6);
  cv::dnn::Net first = load(early);
  const std::vector<float> expected = valuesOf(forward(first, blob));
  std::vector<int> wrong(2, 0);
  std::vector<std::thread> workers;
  for (size_t worker = 0; worker < wrong.size(); ++worker)
    workers.emplace_back([&, worker] {
      cv::dnn::Net net = load(early);
      for (int i = 0; i < 50; ++i) {
        wrong[worker] += valuesOf(forward(net, blob)) != expected;
        const std::vector<float> alone = valuesOf(forward(net, row(blob, i % 6)));
        wrong[worker] += !std::equal(alone.begin(), alone.end(), expected.begin() + (i % 6) * 10);
      }
    });
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(wrong, std::vector<int>(2, 0));
}

TEST_F(Net, ClassificationModelWorks) {
  const onnx::ModelProto early = test::earlyExitModel(model_);
  cv::dnn::ClassificationModel classifier(load(early));
  classifier.setInputParams(1.0 / 255, cv::Size(28, 28));
  cv::Mat picture(28, 28, CV_8U);
  cv::RNG random(3);
  random.fill(picture, cv::RNG::UNIFORM, 0, 256);
  const auto [index, score] = classifier.classify(picture);
  cv::dnn::Net net = load(early);
  const cv::Mat scores = forward(net, cv::dnn::blobFromImage(picture, 1.0 / 255));
  double largest = 0;
  cv::Point place;
  cv::minMaxLoc(scores, nullptr, &largest, nullptr, &place);
  EXPECT_EQ(index, place.x);
  EXPECT_EQ(score, static_cast<float>(largest));
}

TEST_F(Net, OneExitAloneIsTheStaticNet) {
  graph::EarlyExitOptions options;
  options.exits = {"main"};
  options.rule = graph::ExitRule();
  cv::dnn::Net net = load(graph::buildEarlyExit(model_, options)),
               reference = load(graph::buildStatic(model_, "main"));
  const cv::Mat blob = pictures(model_, 2);
  EXPECT_LE(test::relativeDifference(valuesOf(forward(reference, blob)), valuesOf(forward(net, blob))),
            kTolerance);
  EXPECT_EQ(exitsTaken(net, blob), (std::vector<float>{0, 0}));
}

TEST_F(Net, SeveralTensorsMayCrossACut) {
  test::ModelBuilder builder;
  const std::string x = builder.input("input", {1, 3, 8, 8});
  const std::string a = builder.add("Relu", {builder.conv(x, 3, 6, 3, 1, 1)});
  const std::string b = builder.add("Relu", {builder.conv(x, 3, 6, 3, 2, 1)});
  const std::string first =
      builder.gemm(builder.add("Flatten", {builder.add("GlobalAveragePool", {a})}), 6, 4);
  const std::string pooled = builder.add("Flatten", {builder.add("GlobalAveragePool", {b})});
  const std::string second = builder.gemm(
      builder.add(
          "Add",
          {pooled, builder.add("Flatten", {builder.add("GlobalAveragePool", {builder.conv(a, 6, 6, 1)})})}),
      6, 4);
  const std::string last = builder.gemm(
      builder.add(
          "Mul",
          {pooled, builder.add("Flatten", {builder.add("GlobalAveragePool",
                                                       {builder.add("Relu", {builder.conv(a, 6, 6, 3)})})})}),
      6, 4);
  const onnx::ModelProto model = builder.classifier({first, second, last});
  cv::dnn::Net net = load(test::earlyExitModel(model));
  const cv::Mat blob = pictures(model, 3);
  for (size_t exit = 0; exit < 3; ++exit) {
    const std::string name = graph::exitNames(model)[exit];
    if (exit < 2) {
      net.setParam("onnx_node!gate_" + first, 0,
                   cv::Mat(1, 1, CV_32F, cv::Scalar(exit == 0 ? kInfinity : -kInfinity)));
      net.setParam("onnx_node!gate_" + second, 0, cv::Mat(1, 1, CV_32F, cv::Scalar(kInfinity)));
    } else {
      net.setParam("onnx_node!gate_" + second, 0, cv::Mat(1, 1, CV_32F, cv::Scalar(-kInfinity)));
    }
    cv::dnn::Net reference = load(graph::buildStatic(model, name));
    EXPECT_LE(test::relativeDifference(valuesOf(forward(reference, blob)), valuesOf(forward(net, blob))),
              kTolerance)
        << name;
  }
}

TEST_F(Net, SaysWhatIsWrongWithABlob) {
  cv::dnn::Net net = load(test::earlyExitModel(model_));
  const auto withShape = [&](const std::vector<int>& shape) {
    return messageOf([&] { forward(net, cv::Mat(shape, CV_32F, cv::Scalar(0))); });
  };
  std::string message = withShape({1, 3, 28, 28});
  EXPECT_TRUE(mentions(message, "RdiStage 'onnx_node!stage1'") && mentions(message, "1x3x28x28") &&
              mentions(message, "Nx1x28x28"))
      << message;
  message = withShape({2, 1, 32, 28});
  EXPECT_TRUE(mentions(message, "2x1x32x28") && mentions(message, "Nx1x28x28")) << message;
  // OpenCV refuses an empty batch before it asks any layer; its words are all there is.
  message = withShape({0, 1, 28, 28});
  EXPECT_TRUE(mentions(message, "inp.total()")) << message;
  EXPECT_EQ(withShape({1, 1, 28, 28}), "no error");
}

TEST_F(Net, SaysWhatIsWrongWithAStage) {
  const onnx::ModelProto early = test::earlyExitModel(model_);
  const auto with = [&](const std::string& attribute, const std::string& value) {
    onnx::ModelProto broken = early;
    setText(nodeOf(broken, "stage1"), attribute, value);
    return messageOf([&] {
      cv::dnn::Net net = load(broken);
      forward(net, pictures(model_, 1));
    });
  };
  EXPECT_TRUE(mentions(with("engine", "steam"), "steam"));
  EXPECT_TRUE(mentions(with("precision", "float8"), "float8"));
  EXPECT_TRUE(mentions(with("input_layout", "chwn"), "chwn"));
  EXPECT_TRUE(mentions(with("input_layout", "nhwc,nhwc"), "input_layout"));
  std::string bytes;
  for (const onnx::AttributeProto& attribute :
       nodeOf(const_cast<onnx::ModelProto&>(early), "stage1").attribute())
    if (attribute.name() == "graph") bytes = attribute.s();
  for (const size_t length : {size_t{0}, size_t{1}, size_t{10}, bytes.size() / 2, bytes.size() - 1}) {
    const std::string message = with("graph", bytes.substr(0, length));
    EXPECT_TRUE(mentions(message, "RdiStage 'onnx_node!stage1'")) << length << ": " << message;
  }
}

TEST_F(Net, NamesTheOperatorThatTheEngineLacks) {
  test::ModelBuilder builder;
  const std::string x = builder.input("input", {1, 3, 8, 8});
  const std::string y = builder.add("Flatten", {builder.add("GlobalMaxPool", {builder.conv(x, 3, 6, 3)})});
  const onnx::ModelProto model = builder.classifier({builder.gemm(y, 6, 4)});
  onnx::ModelProto early = test::earlyExitModel(model);
  const cv::Mat blob = pictures(model, 2);
  cv::dnn::Net net = load(early);
  EXPECT_EQ(messageOf([&] { forward(net, blob); }), "no error");
  onnx::NodeProto& node = *early.mutable_graph()->mutable_node(0);
  if (!engine::hasOneDnn()) GTEST_SKIP() << "this build has no oneDNN; OpenCV runs the stage";
  setText(node, "engine", "onednn");
  const std::string message = messageOf([&] {
    cv::dnn::Net wrong = load(early);
    forward(wrong, blob);
  });
  EXPECT_TRUE(mentions(message, "GlobalMaxPool")) << message;
}

}  // namespace
}  // namespace rdi
