// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/trainer/tiny.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <stdexcept>

#include "graph/attributes.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/network_builder.hpp"

namespace rdi::test {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::path(testing::TempDir()) / "rdi_trainer_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string dataFolder(const std::string& name) {
  const char* variable = std::getenv("RDI_DATA");
  return (variable != nullptr ? std::string(variable) : RDI_SOURCE_DIR "/../shared/data") + "/" + name;
}

onnx::NodeProto node(const std::string& type, const std::vector<std::string>& inputs,
                     const std::string& output) {
  onnx::NodeProto proto;
  proto.set_op_type(type);
  proto.set_name("the_" + output);
  for (const std::string& input : inputs) proto.add_input(input);
  proto.add_output(output);
  return proto;
}

onnx::ModelProto modelOf(const std::vector<onnx::NodeProto>& nodes,
                         const std::vector<onnx::TensorProto>& weights,
                         const std::vector<int64_t>& inputShape, const std::vector<std::string>& outputs,
                         int64_t opset) {
  onnx::ModelProto model;
  model.set_ir_version(6);
  model.add_opset_import()->set_version(opset);
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name("test");
  const auto describe = [](onnx::ValueInfoProto& info, const std::string& name,
                           const std::vector<int64_t>& shape) {
    info.set_name(name);
    auto& type = *info.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    for (int64_t dim : shape) {
      auto& entry = *type.mutable_shape()->add_dim();
      if (dim > 0)
        entry.set_dim_value(dim);
      else
        entry.set_dim_param("N");
    }
  };
  describe(*graph.add_input(), "x", inputShape);
  for (const std::string& output : outputs) describe(*graph.add_output(), output, {});
  for (const onnx::NodeProto& proto : nodes) *graph.add_node() = proto;
  for (const onnx::TensorProto& tensor : weights) *graph.add_initializer() = tensor;
  return model;
}

bool hasGnuplot() {
  static const bool found = std::system("gnuplot --version >/dev/null 2>&1") == 0;
  return found;
}

onnx::ModelProto tinyNet(bool hasBatchNormalization, uint64_t seed) {
  zoo::NetworkBuilder net("tiny", {1, 8, 8}, seed);
  zoo::ConvOptions conv;
  conv.outChannels = 4;
  conv.pad = 1;
  conv.bias = true;
  std::string features = net.relu("relu1", net.conv("conv1", net.input(), conv));
  net.addExit("exit1", net.linear("exit1.fc",
                                  net.flatten("exit1.flatten", net.maxPool("exit1.pool", features, 2)), 10));
  conv.outChannels = 8;
  conv.stride = 2;
  features = net.conv("conv2", features, conv);
  if (hasBatchNormalization) features = net.batchNorm("bn", features);
  features = net.dropout("dropout", net.flatten("flatten", net.relu("relu2", features)), 0.3F);
  net.addExit("main", net.linear("fc", features, 10));
  return net.finish();
}

std::string idxBytes(uint8_t dimensions, const std::vector<uint32_t>& sizes,
                     const std::vector<uint8_t>& values) {
  std::string bytes = {0, 0, 8, static_cast<char>(dimensions)};
  for (uint32_t size : sizes)
    for (int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>((size >> shift) & 0xff));
  bytes.append(values.begin(), values.end());
  return bytes;
}

void writeFile(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

std::string writeTinyData(const std::string& folder, int64_t trainCount, int64_t testCount) {
  std::filesystem::create_directories(folder);
  std::mt19937 random(7);
  for (const auto& [prefix, count] :
       {std::pair<std::string, int64_t>{"train", trainCount}, {"t10k", testCount}}) {
    std::vector<uint8_t> pixels, labels;
    for (int64_t i = 0; i < count; ++i) {
      const auto label = static_cast<uint8_t>(random() % 10);
      labels.push_back(label);
      for (unsigned p = 0; p < 64; ++p)  // class c: a bright spot of its own in a noisy picture
        pixels.push_back(static_cast<uint8_t>(random() % 60 + (p / 6 == label ? 190 : 0)));
    }
    const auto n = static_cast<uint32_t>(count);
    writeFile(folder + "/" + prefix + "-images-idx3-ubyte", idxBytes(3, {n, 8, 8}, pixels));
    writeFile(folder + "/" + prefix + "-labels-idx1-ubyte", idxBytes(1, {n}, labels));
  }
  return "mnist:" + folder;
}

train::TrainOptions tinyTraining(const TemporaryFolder& folder, bool hasBatchNormalization) {
  train::TrainOptions options;
  options.init = folder.path("tiny.onnx");
  graph::saveModel(tinyNet(hasBatchNormalization), options.init);
  options.data = writeTinyData(folder.path("data"), 400, 100);
  options.heldOut = 100;
  options.attack.epsilon = 0.1;
  options.attack.stepSize = 0.05;
  options.attack.steps = 2;
  options.attack.mode = train::AttackMode::train;
  options.iterations = 20;
  options.batchSize = 32;
  options.learningRate = 0.05;
  options.ema = 0.9;
  options.threads = 1;
  options.checkpointEvery = 7;
  options.logEvery = 5;
  options.validateImages = 50;
  return options;
}

std::string weightBytes(const onnx::ModelProto& model) {
  std::string bytes;
  for (const onnx::TensorProto& tensor : model.graph().initializer())
    if (tensor.data_type() == onnx::TensorProto::FLOAT) {
      const std::vector<float> values = graph::floatValues(tensor);
      bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    }
  return bytes;
}

}  // namespace rdi::test
