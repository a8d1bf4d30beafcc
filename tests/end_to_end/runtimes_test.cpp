// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// Every shipped model, on test pictures: the early-exit file in cv::dnn with the plugin, the plain multi-exit
// file in cv::dnn and in libtorch with the rule applied to its scores, and the nested-If file in ONNX Runtime
// take the same exits and give the same scores.

#include <gtest/gtest.h>
#include <rdi/rdi.hpp>

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "graph/error.hpp"
#include "graph/exit_rule.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/nested_if.hpp"
#include "graph/shapes.hpp"
#include "tests/end_to_end/onnx_runtime.hpp"
#include "tests/end_to_end/test_pictures.hpp"
#include "trainer/data.hpp"
#include "trainer/graph_module.hpp"

namespace {

namespace fs = std::filesystem;

constexpr int kPictures = 200;
// Engines sum in different orders; a score of ordinary size (1 .. 30) then differs in its sixth digit.
constexpr double kTolerance = 1e-4;

/// NAME of every models/NAME.early-exit.onnx: nets of one exit, which are shipped to compare with, have none.
std::vector<std::string> shippedModels() {
  const std::string ending = ".early-exit.onnx";
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(std::string(RDI_SOURCE_DIR) + "/models")) {
    const std::string file = entry.path().filename().string();
    const size_t end = file.rfind(ending);
    if (end != std::string::npos) names.push_back(file.substr(0, end));
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Answers {
  std::vector<int> exits;
  cv::Mat scores;  // pictures x classes
};

/// The rule applied to the scores of every exit.
Answers applyRule(const std::vector<cv::Mat>& scores, const rdi::graph::ExitRule& rule) {
  const int classes = scores[0].cols, exitCount = static_cast<int>(scores.size());
  Answers answers;
  answers.scores.create(scores[0].rows, classes, CV_32F);
  for (int row = 0; row < scores[0].rows; ++row) {
    std::vector<const float*> rows;
    for (const cv::Mat& exit : scores) rows.push_back(exit.ptr<float>(row));
    const int taken = rdi::graph::exitTaken(rows.data(), exitCount, classes, rule);
    rdi::graph::fuseScores(rows.data(), taken, classes, rule.fusion, rule.scores,
                           answers.scores.ptr<float>(row));
    answers.exits.push_back(taken);
  }
  return answers;
}

class Runtimes : public testing::TestWithParam<std::string> {
protected:
  std::string file(const std::string& ending) const {
    return std::string(RDI_SOURCE_DIR) + "/models/" + GetParam() + ending;
  }

  void SetUp() override {
    model_ = rdi::graph::loadModel(file(".onnx"));
    const auto rule = rdi::graph::readMetadata(model_).rule;
    ASSERT_TRUE(rule.has_value()) << "a shipped model has thresholds";
    rule_ = *rule;
    rule_.scores = rdi::graph::kindOfScores(model_, rdi::graph::exitNames(model_));
    blob_ = pictures();
    expected_ = throughPlugin();
  }

  /// Test pictures of the data that the model was trained on, where they are on this machine; noise
  /// elsewhere.
  cv::Mat pictures() const {
    const auto shape = rdi::graph::inputShape(model_);
    const int size[] = {kPictures, int(shape[0]), int(shape[1]), int(shape[2])};
    cv::Mat blob(4, size, CV_32F);
    const size_t values = blob.total();
    const auto recipe = rdi::graph::readMetadata(model_).recipe;
    const auto images = rdi::test::testPictures(recipe.at("data").get<std::string>());
    if (!images) {  // noise serves, too
      cv::RNG random(99);
      random.fill(blob, cv::RNG::UNIFORM, 0.0, 1.0);
      return blob;
    }
    if (images->pixels.size() < values) throw rdi::Error("too few test pictures");
    std::transform(images->pixels.begin(), images->pixels.begin() + long(values), blob.ptr<float>(),
                   [](uint8_t pixel) { return float(pixel) / 255; });
    return blob;
  }

  Answers throughPlugin() const {
    cv::dnn::Net net = cv::dnn::readNet(file(".early-exit.onnx"));
    net.setInput(blob_);
    Answers answers;
    answers.scores = net.forward().clone();
    answers.exits = rdi::lastExits(net);
    return answers;
  }

  void expectSame(const Answers& found) const {
    EXPECT_EQ(found.exits, expected_.exits);
    ASSERT_EQ(found.scores.size(), expected_.scores.size());
    for (int row = 0; row < kPictures; ++row) {
      const double scale = std::max(1.0, cv::norm(expected_.scores.row(row), cv::NORM_INF));
      EXPECT_LT(cv::norm(found.scores.row(row), expected_.scores.row(row), cv::NORM_INF) / scale, kTolerance)
          << "picture " << row << ", exit " << expected_.exits[size_t(row)];
    }
  }

  onnx::ModelProto model_;
  rdi::graph::ExitRule rule_;
  cv::Mat blob_;
  Answers expected_;
};

TEST_P(Runtimes, PluginTakesSeveralExits) {
  ASSERT_EQ(expected_.exits.size(), size_t(kPictures));
  const auto [least, most] = std::minmax_element(expected_.exits.begin(), expected_.exits.end());
  EXPECT_LT(*least, *most) << "every picture leaves by the same exit: nothing is compared";
}

TEST_P(Runtimes, PlainFileInOpenCv) {
  cv::dnn::Net net = cv::dnn::readNet(file(".onnx"));
  net.setInput(blob_);
  std::vector<cv::Mat> scores;
  net.forward(scores, rdi::graph::exitNames(model_));
  expectSame(applyRule(scores, rule_));
}

TEST_P(Runtimes, PlainFileInLibtorch) {
  torch::NoGradGuard noGradient;
  rdi::train::GraphModule module(model_);
  module.eval();
  std::vector<cv::Mat> scores;
  for (const auto& exit : module.forward(
           torch::from_blob(blob_.data, {blob_.size[0], blob_.size[1], blob_.size[2], blob_.size[3]}))) {
    const auto contiguous = exit.contiguous();
    scores.push_back(
        cv::Mat(int(contiguous.size(0)), int(contiguous.size(1)), CV_32F, contiguous.data_ptr<float>())
            .clone());
  }
  expectSame(applyRule(scores, rule_));
}

TEST_P(Runtimes, NestedIfInOnnxRuntime) {
  const std::string reason = rdi::test::whyNoOnnxRuntime();
  if (!reason.empty()) GTEST_SKIP() << reason;
  const std::vector<float> values(blob_.ptr<float>(), blob_.ptr<float>() + blob_.total());
  const rdi::graph::Shape shape(blob_.size.p, blob_.size.p + 4);
  const auto outputs = rdi::test::runOnnxRuntime(rdi::graph::buildNestedIf(model_), shape, values);
  const int classes = expected_.scores.cols;
  ASSERT_EQ(outputs.size(), size_t(kPictures) * size_t(classes + 1));
  const cv::Mat rows(kPictures, classes + 1, CV_32F, const_cast<float*>(outputs.data()));
  Answers found;
  found.scores = rows.colRange(0, classes).clone();
  for (int row = 0; row < kPictures; ++row) found.exits.push_back(int(rows.at<float>(row, classes)));
  expectSame(found);
}

INSTANTIATE_TEST_SUITE_P(Shipped, Runtimes, testing::ValuesIn(shippedModels()), [](const auto& parameter) {
  std::string name = parameter.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
