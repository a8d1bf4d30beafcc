// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// How fast is a full pass? Static nets of the zoo at batch 1: in OpenCV's own engine, in ours, in ONNX
// Runtime, and the bare chain of their convolutions in oneDNN.

#include <omp.h>

#include <iostream>

#include "benchmarks/bare_chain.hpp"
#include "benchmarks/harness.hpp"
#include "benchmarks/networks.hpp"
#include "benchmarks/onnx_runtime.hpp"
#include "graph/early_exit.hpp"
#include "graph/model_io.hpp"

namespace rdi::bench {
namespace {

/// What a call of ONNX Runtime from JavaScript costs apart from the net.
onnx::ModelProto emptyModel() {
  onnx::ModelProto model;
  model.set_ir_version(6);
  model.add_opset_import()->set_version(11);
  auto* graph = model.mutable_graph();
  graph->set_name("empty");
  const auto declare = [](onnx::ValueInfoProto* value, const char* name) {
    value->set_name(name);
    auto* type = value->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    for (const int64_t extent : {1, 10}) type->mutable_shape()->add_dim()->set_dim_value(extent);
  };
  declare(graph->add_input(), "x");
  declare(graph->add_output(), "y");
  auto* node = graph->add_node();
  node->set_op_type("Relu");
  node->add_input("x");
  node->add_output("y");
  return model;
}

void registerNet(const std::string& architecture, int threads) {
  const onnx::ModelProto model = randomModel(architecture);
  const std::string main = graph::exitNames(model).back();
  const onnx::ModelProto alone = graph::buildStatic(model, main);
  const cv::Mat blob = randomBlob(model);
  const cv::dnn::Net inOpenCv = staticNet(model, main), inOurs = staticNetInOurEngine(model);
  const cv::Mat expected = run(inOpenCv, blob);
  requireEqual(architecture + ", our engine", expected, run(inOurs, blob));
  measureNet(architecture + "/static/opencv", inOpenCv, {blob}, {{"cost", 1}});
  measureNet(architecture + "/static/rdi", inOurs, {blob}, {{"cost", 1}});
  const auto chain = std::make_shared<BareChain>(alone);
  measure(architecture + "/static/bare_chain", 1, [chain] { chain->run(); }, {{"cost", 1}});
  if (!whyNoOnnxRuntime().empty()) return;
  const auto runtime = std::make_shared<OnnxRuntime>(alone, blob, threads);
  requireEqual(architecture + ", ONNX Runtime " + runtime->version(), expected, runtime->output());
  measureOnnxRuntime(architecture + "/static/onnxruntime", runtime, 1);
}

void registerAll(const Settings& settings) {
  const int threads = std::stoi(settings.at("threads"));
  omp_set_num_threads(threads);  // for the bare chain; engines set it themselves
  std::cerr << whyNoOnnxRuntime() << (whyNoOnnxRuntime().empty() ? "" : "\n");
  for (const char* architecture : {"rdi-resnet38", "rdi-smallcnn", "rdi-mobilenetv2"})
    registerNet(architecture, threads);
  if (!whyNoOnnxRuntime().empty()) return;
  const cv::Mat row(1, 10, CV_32F, cv::Scalar(1));
  measureOnnxRuntime("empty/onnxruntime", std::make_shared<OnnxRuntime>(emptyModel(), row, threads), 0);
}

}  // namespace
}  // namespace rdi::bench

int main(int argc, char** argv) {
  return rdi::bench::benchmarkMain(argc, argv, "rdi_static_benchmark", {}, rdi::bench::registerAll);
}
