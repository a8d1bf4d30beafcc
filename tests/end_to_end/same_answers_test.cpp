// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// One network, three ways to run it: early-exit ONNX in cv::dnn with the plugin (every exit forced in turn,
// both engines), plain multi-exit ONNX in OpenCV's own engine, and libtorch.

#include <gtest/gtest.h>
#include <rdi/rdi.hpp>

#include <torch/torch.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <random>

#include "graph/attributes.hpp"
#include "graph/early_exit.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/zoo.hpp"
#include "trainer/graph_module.hpp"

namespace {

using rdi::graph::Shape;

// Fresh weights with BatchNormalization parameters and biases as training leaves them, not 0 and 1.
onnx::ModelProto livelyModel(const std::string& architecture) {
  onnx::ModelProto model = rdi::zoo::build(architecture, 5);
  std::mt19937 random(17);
  std::uniform_real_distribution<float> uniform(0, 1);
  auto* graph = model.mutable_graph();
  const auto redraw = [&](const std::string& name, float low, float high) {
    for (auto& tensor : *graph->mutable_initializer()) {
      if (tensor.name() != name) continue;
      std::vector<float> values = rdi::graph::floatValues(tensor);
      for (float& value : values) value = low + (high - low) * uniform(random);
      tensor = rdi::graph::floatTensor(name, {tensor.dims().begin(), tensor.dims().end()}, values);
    }
  };
  for (const auto& node : graph->node()) {
    if (node.op_type() == "BatchNormalization") {
      redraw(node.input(1), 0.6F, 1.2F);
      redraw(node.input(2), -0.3F, 0.3F);
      redraw(node.input(3), -0.3F, 0.3F);
      redraw(node.input(4), 0.6F, 1.4F);
    }
    if (node.op_type() == "Gemm") redraw(node.input(1), -0.2F, 0.2F);
  }
  return model;
}

cv::Mat randomBlob(const Shape& image, int rows) {
  cv::Mat blob(std::vector<int>{rows, int(image[0]), int(image[1]), int(image[2])}, CV_32F);
  cv::RNG random(99);
  random.fill(blob, cv::RNG::UNIFORM, 0.0, 1.0);
  return blob;
}

// Pieces of a real photograph mosaic, cut to the model's input; empty when the data folder is absent.
cv::Mat realBlob(const Shape& image, int rows) {
  const char* folder = std::getenv("RDI_DATA");
  const std::filesystem::path data =
      folder ? std::filesystem::path(folder) : std::filesystem::path(RDI_SOURCE_DIR) / "../shared/data";
  const cv::Mat mosaic = cv::imread((data / "cifar10/test_batch.webp").string(), cv::IMREAD_COLOR);
  if (mosaic.empty()) return {};
  std::vector<cv::Mat> pictures;
  for (int i = 0; i < rows; ++i) {
    cv::Mat picture = mosaic(cv::Rect(32 * (i % 100), 32 * (i / 100), 32, 32)).clone();
    if (image[0] == 1) cv::cvtColor(picture, picture, cv::COLOR_BGR2GRAY);
    pictures.push_back(picture);
  }
  return cv::dnn::blobFromImages(pictures, 1.0 / 255, cv::Size(int(image[2]), int(image[1])), {},
                                 image[0] == 3);
}

std::vector<cv::Mat> scoresOfLibtorch(const onnx::ModelProto& model, const cv::Mat& blob) {
  torch::NoGradGuard noGradient;
  rdi::train::GraphModule module(model);
  module.eval();
  const auto input = torch::from_blob(blob.data, {blob.size[0], blob.size[1], blob.size[2], blob.size[3]});
  std::vector<cv::Mat> result;
  for (const auto& scores : module.forward(input)) {
    const auto contiguous = scores.contiguous();
    result.push_back(
        cv::Mat(int(contiguous.size(0)), int(contiguous.size(1)), CV_32F, contiguous.data_ptr<float>())
            .clone());
  }
  return result;
}

cv::dnn::Net readNet(const onnx::ModelProto& model) {
  const std::string bytes = rdi::graph::serialize(model);
  return cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
}

std::vector<cv::Mat> scoresOfOpenCv(const onnx::ModelProto& model, const cv::Mat& blob) {
  cv::dnn::Net net = readNet(model);
  net.setInput(blob);
  std::vector<cv::Mat> outputs, result;
  net.forward(outputs, rdi::graph::exitNames(model));
  for (const auto& output : outputs) result.push_back(output.clone());
  return result;
}

std::vector<cv::Mat> scoresOfPlugin(const onnx::ModelProto& model, const cv::Mat& blob,
                                    const std::string& engine) {
  const size_t exits = rdi::graph::exitNames(model).size();
  rdi::graph::EarlyExitOptions options;
  options.engine = engine;
  options.rule.emplace();
  options.rule->thresholds.assign(exits - 1, 0.0F);
  cv::dnn::Net net = readNet(rdi::graph::buildEarlyExit(model, options));
  std::vector<cv::Mat> result;
  for (size_t k = 0; k < exits; ++k) {
    std::vector<float> thresholds(exits - 1, -std::numeric_limits<float>::infinity());
    if (k + 1 < exits) thresholds[k] = std::numeric_limits<float>::infinity();
    rdi::setThresholds(net, thresholds);
    net.setInput(blob);
    result.push_back(net.forward().clone());
    EXPECT_EQ(rdi::lastExits(net), std::vector<int>(size_t(blob.size[0]), int(k)));
  }
  return result;
}

// Largest difference of a row, relative to the row's largest score.
double relativeDifference(const cv::Mat& left, const cv::Mat& right) {
  double worst = 0;
  for (int row = 0; row < left.rows; ++row)
    worst = std::max(worst, cv::norm(left.row(row), right.row(row), cv::NORM_INF) /
                                std::max(cv::norm(right.row(row), cv::NORM_INF), 1e-3));
  return worst;
}

class SameAnswers : public testing::TestWithParam<std::string> {
protected:
  void compare(const cv::Mat& blob) {
    const onnx::ModelProto model = livelyModel(GetParam());
    const auto libtorch = scoresOfLibtorch(model, blob);
    const auto openCv = scoresOfOpenCv(model, blob);
    const auto names = rdi::graph::exitNames(model);
    for (const std::string engine : {"onednn", "opencv"}) {
      const auto ours = scoresOfPlugin(model, blob, engine);
      ASSERT_EQ(ours.size(), names.size());
      for (size_t k = 0; k < names.size(); ++k) {
        ASSERT_GT(cv::norm(ours[k], cv::NORM_INF), 0) << names[k];
        EXPECT_LT(relativeDifference(ours[k], libtorch[k]), 1e-4)
            << engine << " against libtorch, " << names[k];
        EXPECT_LT(relativeDifference(ours[k], openCv[k]), 1e-4) << engine << " against OpenCV, " << names[k];
      }
    }
  }
};

TEST_P(SameAnswers, OnRandomInputsAtEveryExit) {
  compare(randomBlob(rdi::graph::inputShape(rdi::zoo::build(GetParam())), 3));
}

TEST_P(SameAnswers, OnPicturesAtEveryExit) {
  const cv::Mat blob = realBlob(rdi::graph::inputShape(rdi::zoo::build(GetParam())), 8);
  if (blob.empty()) GTEST_SKIP() << "no CIFAR-10 pictures: RDI_DATA (default ../shared/data) is not there";
  compare(blob);
}

INSTANTIATE_TEST_SUITE_P(Zoo, SameAnswers, testing::ValuesIn(rdi::zoo::architectures()),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           for (char& letter : name)
                             if (letter == '-') letter = '_';
                           return name;
                         });

}  // namespace
