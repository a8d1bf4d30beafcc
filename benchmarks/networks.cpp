// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "benchmarks/networks.hpp"

#include <algorithm>
#include <limits>
#include <random>
#include <rdi/rdi.hpp>

#include "graph/attributes.hpp"
#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/nested_if.hpp"
#include "graph/shapes.hpp"
#include "graph/tensor_ranges.hpp"
#include "graph/zoo/zoo.hpp"

namespace rdi::bench {

namespace {

constexpr uint32_t kSeed = 20;

cv::dnn::Net load(const onnx::ModelProto& model) {
  const std::string bytes = graph::serialize(model);
  return cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
}

onnx::ModelProto chainOf(const onnx::ModelProto& model, const std::vector<std::string>& exits,
                         graph::Precision precision = graph::Precision::float32) {
  graph::EarlyExitOptions options;
  options.exits = exits;
  options.precision = precision;
  if (precision == graph::Precision::int8) {
    constexpr int kPictures = 4;
    const cv::Mat blob = randomBlob(model, kPictures);
    std::vector<std::vector<float>> pictures;
    for (int i = 0; i < kPictures; ++i)
      pictures.emplace_back(blob.ptr<float>(i), blob.ptr<float>(i) + blob.total() / kPictures);
    options.ranges = graph::measureRanges(model, pictures);
  }
  options.rule = graph::ExitRule();
  options.rule->thresholds.assign(exits.size() - 1, 0.f);
  return graph::buildEarlyExit(model, options);
}

}  // namespace

onnx::ModelProto randomModel(const std::string& architecture) {
  onnx::ModelProto model = zoo::build(architecture);
  std::mt19937 generator(kSeed);
  std::normal_distribution<float> normal(0, 0.1f);
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.data_type() != onnx::TensorProto::FLOAT) continue;
    std::vector<float> values = graph::floatValues(tensor);
    if (std::any_of(values.begin(), values.end(), [](float value) { return value != 0; })) continue;
    for (float& value : values) value = normal(generator);
    tensor = graph::floatTensor(tensor.name(), {tensor.dims().begin(), tensor.dims().end()}, values);
  }
  return model;
}

cv::dnn::Net staticNet(const onnx::ModelProto& model, const std::string& exit) {
  return load(graph::buildStatic(model, exit));
}

cv::dnn::Net staticNetInOurEngine(const onnx::ModelProto& model, graph::Precision precision) {
  return load(chainOf(model, {graph::exitNames(model).back()}, precision));
}

onnx::ModelProto earlyExitModel(const onnx::ModelProto& model, graph::Precision precision) {
  return chainOf(model, graph::exitNames(model), precision);
}

cv::dnn::Net earlyExitNet(const onnx::ModelProto& model, graph::Precision precision) {
  return load(chainOf(model, graph::exitNames(model), precision));
}

onnx::ModelProto nestedIfModel(const onnx::ModelProto& model, size_t exit) {
  constexpr float kNobody = 0, kEverybody = 1e30f;  // infinities would leave the `If` out
  graph::ExitRule rule;
  rule.thresholds.assign(graph::exitNames(model).size() - 1, kNobody);
  if (exit < rule.thresholds.size()) rule.thresholds[exit] = kEverybody;
  return graph::buildNestedIf(model, {}, rule);
}

cv::dnn::Net firstStepNet(const onnx::ModelProto& model) {
  const std::vector<std::string> exits = graph::exitNames(model);
  onnx::ModelProto chain = chainOf(model, exits);
  auto* nodes = chain.mutable_graph()->mutable_node();
  const auto gate = std::find_if(nodes->begin(), nodes->end(), [](const onnx::NodeProto& node) {
    return node.op_type() == "RdiEarlyExit";
  });
  nodes->erase(gate, nodes->end());
  chain.mutable_graph()->clear_initializer();  // the thresholds
  chain.mutable_graph()->mutable_output(0)->set_name(exits.front());
  return load(chain);
}

void forceExit(cv::dnn::Net& net, size_t exit) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> thresholds(rdi::exits(net).size() - 1, -kInfinity);
  if (exit < thresholds.size()) thresholds[exit] = kInfinity;
  rdi::setThresholds(net, thresholds);
}

cv::Mat randomBlob(const onnx::ModelProto& model, int count) {
  const graph::Shape shape = graph::inputShape(model);
  const int sizes[] = {count, static_cast<int>(shape[0]), static_cast<int>(shape[1]),
                       static_cast<int>(shape[2])};
  cv::Mat blob(4, sizes, CV_32F);
  std::mt19937 generator(kSeed);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::generate(blob.begin<float>(), blob.end<float>(), [&] { return uniform(generator); });
  return blob;
}

cv::Mat run(const cv::dnn::Net& net, const cv::Mat& blob) {
  cv::dnn::Net runnable = net;  // copies share one network
  runnable.setInput(blob);
  return runnable.forward().clone();
}

double paidFraction(const cv::dnn::Net& net, size_t exit) {
  const std::vector<ExitInfo> infos = rdi::exits(net);
  return infos[exit].paidMacs / infos.back().ownMacs;
}

void requireEqual(const std::string& what, const cv::Mat& expected, const cv::Mat& found) {
  if (expected.size != found.size)
    throw Error(text(what, ": output has another shape than the static net's"));
  const double scale = cv::norm(expected, cv::NORM_INF), difference = cv::norm(expected, found, cv::NORM_INF);
  if (!(scale > 0) || !(difference <= 1e-4 * scale)) {
    throw Error(text(what, ": outputs differ by ", difference, " where the largest is ", scale,
                     "; expected at most 1e-4 of it; nothing was timed"));
  }
}

}  // namespace rdi::bench
