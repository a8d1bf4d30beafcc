// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// Models of other exporters, converted: the early-exit file in cv::dnn, each exit forced in turn, with either
// engine, gives at every exit what the exporter's graph says; so does the file with If in ONNX Runtime.

#include <gtest/gtest.h>
#include <rdi/rdi.hpp>

#include <limits>
#include <opencv2/dnn.hpp>

#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/nested_if.hpp"
#include "tests/end_to_end/onnx_runtime.hpp"
#include "tests/graph/foreign_models.hpp"
#include "tests/graph/naive_run.hpp"

namespace rdi {

namespace test {
// GoogleTest prints a parameter that fails.
void PrintTo(const ForeignModel& model, std::ostream* stream) { *stream << model.name; }
}  // namespace test

namespace {

constexpr int kRows = 2;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

onnx::ModelProto read(const onnx::ModelProto& model) {
  const std::string bytes = graph::serialize(model);
  return graph::parseModel(bytes.data(), bytes.size(), "foreign.onnx");
}

cv::Mat toMat(const test::Tensor& tensor) {
  cv::Mat mat(std::vector<int>(tensor.shape.begin(), tensor.shape.end()), CV_32F);
  std::copy(tensor.values.begin(), tensor.values.end(), mat.begin<float>());
  return mat;
}

test::Tensor row(const test::Tensor& batch, int64_t index) {
  test::Tensor result{batch.shape, {}};
  result.shape[0] = 1;
  const int64_t size = test::elementCount(result.shape);
  result.values.assign(batch.values.begin() + index * size, batch.values.begin() + (index + 1) * size);
  return result;
}

/// Leaves at exit `index`, whatever the scores.
std::vector<float> onlyExit(size_t index, size_t exits) {
  std::vector<float> thresholds(exits - 1, -kInfinity);
  if (index + 1 < exits) thresholds[index] = kInfinity;
  return thresholds;
}

/// Scores of every exit, rows below each other, as the graph of the exporter defines them.
std::map<std::string, test::Tensor> expectedScores(const test::ForeignModel& foreign,
                                                   const onnx::ModelProto& model, const test::Tensor& batch) {
  std::map<std::string, test::Tensor> result;
  for (int64_t i = 0; i < batch.shape[0]; ++i) {
    const auto one = row(batch, i);
    const auto tensors = test::runNaively(model, foreign.channelsLast ? test::channelsLast(one) : one);
    for (const auto& exit : graph::exitNames(model)) {
      auto& scores = result[exit];
      const auto& values = tensors.at(exit).values;
      scores.values.insert(scores.values.end(), values.begin(), values.end());
      scores.shape = {i + 1, static_cast<int64_t>(values.size())};
    }
  }
  return result;
}

using Parameter = std::tuple<test::ForeignModel, int64_t>;

class ForeignExports : public testing::TestWithParam<Parameter> {
protected:
  void SetUp() override {
    const auto& [foreign, opset] = GetParam();
    const auto original = foreign.make(opset);
    model_ = read(original);
    exits_ = graph::exitNames(model_);
    const auto shape = graph::inputShape(model_);
    batch_ = test::randomInput({kRows, shape[0], shape[1], shape[2]}, 21);
    expected_ = expectedScores(foreign, original, batch_);
  }

  onnx::ModelProto model_;
  std::vector<std::string> exits_;
  test::Tensor batch_;
  std::map<std::string, test::Tensor> expected_;
};

TEST_P(ForeignExports, GiveTheSameScoresInOpenCvAtEveryExit) {
  for (const std::string engine : {"auto", "opencv"}) {
    graph::EarlyExitOptions options;
    options.engine = engine;
    options.rule.emplace();
    options.rule->thresholds = onlyExit(0, exits_.size());
    const std::string bytes = graph::serialize(graph::buildEarlyExit(model_, options));
    cv::dnn::Net net = cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
    for (size_t k = 0; k < exits_.size(); ++k) {
      setThresholds(net, onlyExit(k, exits_.size()));
      net.setInput(toMat(batch_));
      const cv::Mat scores = net.forward();
      EXPECT_EQ(lastExits(net), std::vector<int>(kRows, static_cast<int>(k)));
      const test::Tensor found{{scores.size[0], scores.size[1]},
                               {scores.begin<float>(), scores.end<float>()}};
      EXPECT_LT(test::relativeDifference(expected_.at(exits_[k]), found), 1e-4)
          << engine << ", exit " << exits_[k];
    }
  }
}

/// Rows of ONNX Runtime's outputs, of which one holds `width` values: those from `first` on, `count` of them.
test::Tensor columns(const std::vector<float>& outputs, size_t width, size_t first, size_t count) {
  test::Tensor result{{kRows, static_cast<int64_t>(count)}, {}};
  for (size_t i = 0; i < kRows; ++i) {
    const auto start = outputs.begin() + static_cast<long>(i * width + first);
    result.values.insert(result.values.end(), start, start + static_cast<long>(count));
  }
  return result;
}

class ForeignExportsInOnnxRuntime : public ForeignExports {
protected:
  void SetUp() override {
    if (const std::string reason = test::whyNoOnnxRuntime(); !reason.empty()) GTEST_SKIP() << reason;
    ForeignExports::SetUp();
  }
};

TEST_P(ForeignExportsInOnnxRuntime, MeanWhatTheReferenceSays) {
  const auto& [foreign, opset] = GetParam();
  const auto fed = foreign.channelsLast ? test::channelsLast(batch_) : batch_;
  const auto outputs =
      test::runOnnxRuntime(foreign.make(opset), fed.shape, {fed.values.begin(), fed.values.end()});
  const size_t classes = outputs.size() / kRows / exits_.size();
  for (size_t k = 0; k < exits_.size(); ++k)
    EXPECT_LT(test::relativeDifference(expected_.at(exits_[k]),
                                       columns(outputs, classes * exits_.size(), classes * k, classes)),
              1e-4)
        << exits_[k];
}

TEST_P(ForeignExportsInOnnxRuntime, GiveTheSameScoresThroughEveryIf) {
  graph::ExitRule rule;
  rule.thresholds = onlyExit(exits_.size() - 1, exits_.size());
  const auto outputs = test::runOnnxRuntime(graph::buildNestedIf(model_, exits_, rule), batch_.shape,
                                            {batch_.values.begin(), batch_.values.end()});
  const size_t classes = outputs.size() / kRows - 1;  // then the exit taken
  EXPECT_LT(test::relativeDifference(expected_.at(exits_.back()), columns(outputs, classes + 1, 0, classes)),
            1e-4);
  const auto taken = columns(outputs, classes + 1, classes, 1).values;
  EXPECT_EQ(taken, std::vector<double>(kRows, static_cast<double>(exits_.size() - 1)));
}

std::string nameOf(const testing::TestParamInfo<Parameter>& parameter) {
  return std::get<0>(parameter.param).name + "Opset" + std::to_string(std::get<1>(parameter.param));
}

INSTANTIATE_TEST_SUITE_P(EveryOpset, ForeignExports,
                         testing::Combine(testing::ValuesIn(test::foreignModels()),
                                          testing::ValuesIn(test::foreignOpsets())),
                         nameOf);

// Starting node takes its time.
INSTANTIATE_TEST_SUITE_P(OldestAndNewest, ForeignExportsInOnnxRuntime,
                         testing::Combine(testing::ValuesIn(test::foreignModels()), testing::Values(7, 17)),
                         nameOf);

}  // namespace
}  // namespace rdi
