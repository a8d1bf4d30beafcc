// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What does leaving early save, and what do layers cost that have nothing left to do? Every exit forced,
// batch 1: our chain of layers, and the same net as nested `If` in ONNX Runtime.

#include <iostream>
#include <rdi/rdi.hpp>

#include "benchmarks/harness.hpp"
#include "benchmarks/networks.hpp"
#include "benchmarks/onnx_runtime.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::bench {
namespace {

void registerNet(const std::string& architecture, int threads) {
  const onnx::ModelProto model = randomModel(architecture);
  const std::vector<std::string> exits = graph::exitNames(model);
  const cv::Mat blob = randomBlob(model);
  const cv::dnn::Net inOpenCv = staticNet(model, exits.back()), inOurs = staticNetInOurEngine(model);
  requireEqual(architecture + ", static net in our engine", run(inOpenCv, blob), run(inOurs, blob));
  measureNet(architecture + "/static/opencv", inOpenCv, {blob}, {{"cost", 1}});
  measureNet(architecture + "/static/rdi", inOurs, {blob}, {{"cost", 1}});

  const cv::dnn::Net firstStep = firstStepNet(model), firstExit = staticNet(model, exits.front());
  requireEqual(architecture + ", first stage and branch", run(firstExit, blob), run(firstStep, blob));
  const cv::dnn::Net whole = earlyExitNet(model);
  const double layers = static_cast<double>(whole.getLayerNames().size() - firstStep.getLayerNames().size());
  measureNet(architecture + "/first_stage_and_branch_alone", firstStep, {blob},
             {{"cost", paidFraction(whole, 0)}, {"layers_left_out", layers}});

  for (size_t exit = 0; exit < exits.size(); ++exit) {
    cv::dnn::Net forced = earlyExitNet(model);
    forceExit(forced, exit);
    const cv::Mat expected = run(staticNet(model, exits[exit]), blob);
    const std::string name = architecture + "/forced/" + exits[exit];
    requireEqual(name, expected, run(forced, blob));
    if (rdi::lastExits(forced) != std::vector<int>{static_cast<int>(exit)})
      throw Error(name + ": left elsewhere");
    const double cost = paidFraction(forced, exit);
    measureNet(name, forced, {blob}, {{"cost", cost}});
    if (!whyNoOnnxRuntime().empty()) continue;
    const auto runtime = std::make_shared<OnnxRuntime>(nestedIfModel(model, exit), blob, threads);
    requireEqual(name + " in ONNX Runtime", expected, runtime->output());
    measureOnnxRuntime(name + "/onnxruntime_if", runtime, cost);
  }
}

void registerAll(const Settings& settings) {
  std::cerr << whyNoOnnxRuntime() << (whyNoOnnxRuntime().empty() ? "" : "\n");
  for (const char* architecture : {"rdi-resnet38", "rdi-resnet38-lean", "rdi-smallcnn"})
    registerNet(architecture, std::stoi(settings.at("threads")));
}

}  // namespace
}  // namespace rdi::bench

int main(int argc, char** argv) {
  return rdi::bench::benchmarkMain(argc, argv, "rdi_exits_benchmark", {}, rdi::bench::registerAll);
}
