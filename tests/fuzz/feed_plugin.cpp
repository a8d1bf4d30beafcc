// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <onnx/onnx_pb.h>

#include <map>
#include <opencv2/dnn.hpp>
#include <opencv2/dnn/layer.hpp>
#include <opencv2/dnn/shape_utils.hpp>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "layers/layer_table.hpp"
#include "tests/fuzz/feed.hpp"

namespace rdi::test {
namespace {

using cv::dnn::MatShape;

constexpr int kMostLayers = 16;
constexpr size_t kMostElements = 1 << 20;  // of all blobs of one layer
constexpr int kRows = 2;

/// What OpenCV's importer makes of a node's attributes and constant inputs.
cv::dnn::LayerParams paramsOf(const onnx::NodeProto& node, const std::map<std::string, cv::Mat>& constants) {
  cv::dnn::LayerParams params;
  params.name = node.name();
  params.type = node.op_type();
  for (const auto& attribute : node.attribute()) {
    if (attribute.has_i()) params.set(attribute.name(), static_cast<int>(attribute.i()));
    if (attribute.has_f()) params.set(attribute.name(), attribute.f());
    if (attribute.has_s()) params.set(attribute.name(), attribute.s());
  }
  for (const auto& input : node.input())
    if (const auto found = constants.find(input); found != constants.end())
      params.blobs.push_back(found->second);
  return params;
}

std::map<std::string, cv::Mat> constantsOf(const onnx::GraphProto& graph) {
  std::map<std::string, cv::Mat> constants;
  for (const auto& tensor : graph.initializer()) {
    const size_t count = tensor.raw_data().size() / sizeof(float);
    if (tensor.data_type() != onnx::TensorProto::FLOAT || count == 0) continue;
    cv::Mat values(1, static_cast<int>(count), CV_32F);
    std::copy_n(tensor.raw_data().data(), count * sizeof(float), values.ptr<char>());
    constants[tensor.name()] = values;
  }
  return constants;
}

/// One layer on the blobs before it, as Net::forward runs it. False when it is too large to be worth it.
bool runLayer(const onnx::NodeProto& node, const std::map<std::string, cv::Mat>& constants,
              std::map<std::string, cv::Mat>& blobs) {
  cv::dnn::LayerParams params = paramsOf(node, constants);
  const auto layer = cv::dnn::LayerFactory::createLayerInstance(params.type, params);
  if (layer.empty()) return false;
  std::vector<cv::Mat> inputs, outputs;
  std::vector<MatShape> inputShapes, outputShapes, noShapes;
  for (const auto& input : node.input()) {
    if (constants.count(input) != 0) continue;
    if (blobs.count(input) == 0) return false;
    inputs.push_back(blobs[input]);
    inputShapes.push_back(cv::dnn::shape(inputs.back()));
  }
  if (inputs.empty()) return false;  // OpenCV refuses it
  layer->getMemoryShapes(inputShapes, node.output_size(), outputShapes, noShapes);
  size_t elements = 0;
  for (const auto& shape : outputShapes) elements += static_cast<size_t>(cv::dnn::total(shape));
  if (elements > kMostElements) return false;
  for (const auto& shape : outputShapes) outputs.emplace_back(shape, CV_32F, cv::Scalar(0));
  layer->getFLOPS(inputShapes, outputShapes);
  layer->finalize(cv::InputArrayOfArrays(inputs), cv::OutputArrayOfArrays(outputs));
  layer->forward(inputs, outputs, std::vector<cv::Mat>());
  for (int i = 0; i < node.output_size() && i < static_cast<int>(outputs.size()); ++i)
    blobs[node.output(i)] = outputs[static_cast<size_t>(i)];
  return true;
}

/// The picture that the model asks for; empty when that is absurd.
cv::Mat pictureFor(const onnx::GraphProto& graph) {
  MatShape shape;
  size_t elements = kRows;
  if (graph.input_size() == 0) return {};
  for (const auto& dim : graph.input(0).type().tensor_type().shape().dim()) {
    const int64_t size = shape.empty() ? kRows : dim.dim_value();
    if (size < 1 || size > 64 || shape.size() == 4) return {};
    shape.push_back(static_cast<int>(size));
    elements *= static_cast<size_t>(size);
  }
  if (shape.size() != 4 || elements > kMostElements) return {};
  cv::Mat picture(shape, CV_32F);
  cv::randu(picture, 0, 1);
  return picture;
}

}  // namespace

bool feedPlugin(const std::string& bytes) {
  registerLayerTypes();
  cv::setNumThreads(1);
  onnx::ModelProto model;
  if (!model.ParsePartialFromString(bytes)) return false;
  const auto& graph = model.graph();
  const auto picture = pictureFor(graph);
  if (picture.empty()) return false;
  const auto constants = constantsOf(graph);
  std::map<std::string, cv::Mat> blobs = {{graph.input(0).name(), picture}};
  bool ran = graph.node_size() > 0;
  for (int i = 0; i < graph.node_size() && i < kMostLayers; ++i) {
    if (graph.node(i).op_type().rfind("Rdi", 0) != 0) continue;
    try {
      ran = runLayer(graph.node(i), constants, blobs) && ran;
    } catch (const cv::Exception&) {
      ran = false;  // goes on with the layers that do not need it
    }
  }
  return ran;
}

}  // namespace rdi::test
