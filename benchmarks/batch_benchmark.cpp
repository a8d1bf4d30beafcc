// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// How does throughput grow with the batch and with threads? Time per picture of the static net in OpenCV's
// own engine and in ours, which takes picture by picture, and of its bare convolutions in oneDNN, layer by
// layer for the whole batch; batch 1 .. 256 on --threads threads. Use the wall clock for more than one
// thread.

#include <omp.h>

#include "benchmarks/bare_chain.hpp"
#include "benchmarks/harness.hpp"
#include "benchmarks/networks.hpp"
#include "graph/early_exit.hpp"
#include "graph/model_io.hpp"

namespace rdi::bench {
namespace {

void registerNet(const std::string& architecture, int largest) {
  const onnx::ModelProto model = randomModel(architecture);
  const std::string main = graph::exitNames(model).back();
  for (int batch = 1; batch <= largest; batch *= 4) {
    const cv::Mat blob = randomBlob(model, batch);
    const cv::dnn::Net inOpenCv = staticNet(model, main), inOurs = staticNetInOurEngine(model);
    requireEqual(architecture, run(inOpenCv, blob), run(inOurs, blob));
    const std::string name = architecture + "/batch_" + std::to_string(batch);
    measureNet(name + "/opencv", inOpenCv, {blob}, {{"cost", 1}});
    measureNet(name + "/rdi", inOurs, {blob}, {{"cost", 1}});
    const auto chain = std::make_shared<BareChain>(graph::buildStatic(model, main), batch);
    measure(name + "/bare_chain", batch, [chain] { chain->run(); }, {{"cost", 1}});
  }
}

void registerAll(const Settings& settings) {
  omp_set_num_threads(std::stoi(settings.at("threads")));  // for the bare chain; engines set it themselves
  for (const char* architecture : {"rdi-resnet38", "rdi-smallcnn", "rdi-mobilenetv2"})
    registerNet(architecture, std::stoi(settings.at("largest")));
}

}  // namespace
}  // namespace rdi::bench

int main(int argc, char** argv) {
  return rdi::bench::benchmarkMain(argc, argv, "rdi_batch_benchmark", {{"largest", "256", "largest batch"}},
                                   rdi::bench::registerAll);
}
