// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/layers/early_exit_nets.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "graph/attributes.hpp"
#include "graph/early_exit.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/zoo.hpp"

namespace rdi::test {

onnx::ModelProto zooModel(const std::string& architecture) {
  onnx::ModelProto model = zoo::build(architecture);
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 1);
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.data_type() != onnx::TensorProto::FLOAT) continue;
    const graph::Shape shape(tensor.dims().begin(), tensor.dims().end());
    std::vector<float> values = graph::floatValues(tensor);
    if (shape.size() >= 2) {
      // He's scale, a little less so that the sums of residual blocks stay small.
      const float scale = std::sqrt(1.5f * static_cast<float>(shape[0]) / static_cast<float>(values.size()));
      // Classifiers less: probabilities that are all 0 or 1 are all equally sure.
      const float spread = shape.size() == 2 ? 0.4F * scale : scale;
      for (float& value : values) value = spread * normal(random);
    } else {
      for (float& value : values)
        value += 0.05f * std::abs(normal(random));  // scales, shifts, means, variances
    }
    tensor = graph::floatTensor(tensor.name(), shape, values);
  }
  return model;
}

onnx::ModelProto earlyExitModel(const onnx::ModelProto& model, graph::ExitRule rule,
                                const std::string& engine) {
  if (rule.thresholds.empty())
    rule.thresholds.assign(graph::exitNames(model).size() - 1, -std::numeric_limits<float>::infinity());
  graph::EarlyExitOptions options;
  options.rule = rule;
  options.engine = engine;
  return graph::buildEarlyExit(model, options);
}

cv::dnn::Net load(const onnx::ModelProto& model) {
  const std::string bytes = graph::serialize(model);
  return cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
}

cv::Mat pictures(const onnx::ModelProto& model, int count, uint32_t seed) {
  const graph::Shape shape = graph::inputShape(model);
  cv::Mat blob({count, static_cast<int>(shape[0]), static_cast<int>(shape[1]), static_cast<int>(shape[2])},
               CV_32F);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::generate(blob.ptr<float>(), blob.ptr<float>() + blob.total(), [&] { return uniform(random); });
  return blob;
}

cv::Mat row(const cv::Mat& blob, int index) {
  std::vector<int> dims(blob.size.p, blob.size.p + blob.dims);
  dims[0] = 1;
  return cv::Mat(dims, CV_32F, const_cast<float*>(blob.ptr<float>(index)));
}

std::vector<float> valuesOf(const cv::Mat& blob) {
  return {blob.ptr<float>(), blob.ptr<float>() + blob.total()};
}

}  // namespace rdi::test
