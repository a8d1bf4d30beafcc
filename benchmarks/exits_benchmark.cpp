// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Time per picture at batch 1: the static net in OpenCV's own engine and in ours, every exit forced, and the
// trained nets on real pictures. benchmarks/run.sh runs it with interleaved repetitions and prints the table.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <opencv2/core/utility.hpp>
#include <rdi/rdi.hpp>
#include <stdexcept>

#include "benchmarks/idx_pictures.hpp"
#include "benchmarks/networks.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/run_main.hpp"

namespace rdi::bench {
namespace {

namespace fs = std::filesystem;

constexpr char kUsage[] =
    "usage: rdi_benchmark [--threads N] [--models DIR] [--fashion-mnist DIR] [--mnist DIR] "
    "[--benchmark_...]\n"
    "  --threads        threads of both engines (default 1)\n"
    "  --models         folder of the trained models (default: the project's)\n"
    "  --fashion-mnist, --mnist  folders of the .gz files; a data set that is not there is left out\n";

struct Options {
  int threads = 1;
  std::string models = RDI_SOURCE_DIR "/models";
  std::string fashionMnist = "/usr/share/datasets/fashion-mnist";
  std::string mnist = RDI_SOURCE_DIR "/../shared/data/mnist";
};

struct WrongUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Takes our options out of argv and leaves Google Benchmark's.
Options takeOptions(int& argc, char** argv) {
  Options options;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (word.rfind("--benchmark_", 0) == 0) {
      argv[kept++] = argv[i];
      continue;
    }
    const bool isThreads = word == "--threads";
    if (value.empty() || (isThreads && (value.find_first_not_of("0123456789") != std::string::npos ||
                                        value.size() > 4 || std::stoi(value) < 1))) {
      throw WrongUsage(text("'", word, " ", value, "' is not understood"));
    }
    if (isThreads) {
      options.threads = std::stoi(value);
    } else if (word == "--models") {
      options.models = value;
    } else if (word == "--fashion-mnist") {
      options.fashionMnist = value;
    } else if (word == "--mnist") {
      options.mnist = value;
    } else {
      throw WrongUsage("unknown option " + word);
    }
    ++i;
  }
  argc = kept;
  return options;
}

double quantile(std::vector<double> values, double position) {
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(position * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

/// One iteration sends every blob through the net once, one after the other.
void measure(const std::string& name, const cv::dnn::Net& net, const std::vector<cv::Mat>& blobs,
             const std::map<std::string, double>& counters = {}) {
  auto* registered =
      benchmark::RegisterBenchmark(name.c_str(), [net, blobs, counters](benchmark::State& state) {
        cv::dnn::Net runnable = net;  // copies share one network
        for (auto unused : state) {
          for (const cv::Mat& blob : blobs) {
            runnable.setInput(blob);
            benchmark::DoNotOptimize(runnable.forward().data);
          }
        }
        for (const auto& [key, value] : counters) state.counters[key] = value;
        state.counters["pictures"] = static_cast<double>(blobs.size());
      });
  registered->UseRealTime()->Unit(benchmark::kMillisecond);
  registered->ComputeStatistics("q1", [](const std::vector<double>& times) { return quantile(times, 0.25); });
  registered->ComputeStatistics("q3", [](const std::vector<double>& times) { return quantile(times, 0.75); });
}

cv::Mat run(cv::dnn::Net& net, const cv::Mat& blob) {
  net.setInput(blob);
  return net.forward().clone();
}

double paidFraction(const std::vector<ExitInfo>& exits, size_t exit) {
  return exits[exit].paidMacs / exits.back().ownMacs;
}

/// Random weights: speed depends on the shapes alone.
void registerForcedExits(const std::string& architecture) {
  const onnx::ModelProto model = randomModel(architecture);
  const std::vector<std::string> exits = graph::exitNames(model);
  const cv::Mat blob = randomBlob(model);

  cv::dnn::Net inOpenCv = staticNet(model, exits.back()), inOurs = staticNetInOurEngine(model);
  requireEqual(architecture + ", static net in our engine", run(inOpenCv, blob), run(inOurs, blob));
  measure(architecture + "/static/opencv", inOpenCv, {blob}, {{"cost", 1}});
  measure(architecture + "/static/rdi", inOurs, {blob}, {{"cost", 1}});

  cv::dnn::Net firstStep = firstStepNet(model), firstExit = staticNet(model, exits.front());
  requireEqual(architecture + ", first stage and branch", run(firstExit, blob), run(firstStep, blob));
  const std::vector<ExitInfo> costs = rdi::exits(earlyExitNet(model));
  measure(architecture + "/first_stage_and_branch_alone", firstStep, {blob},
          {{"cost", paidFraction(costs, 0)}});

  for (size_t exit = 0; exit < exits.size(); ++exit) {
    cv::dnn::Net forced = earlyExitNet(model), expected = staticNet(model, exits[exit]);
    forceExit(forced, exit);
    const std::string name = architecture + "/forced/" + exits[exit];
    requireEqual(name, run(expected, blob), run(forced, blob));
    if (rdi::lastExits(forced) != std::vector<int>{static_cast<int>(exit)})
      throw Error(name + ": left elsewhere");
    measure(name, forced, {blob}, {{"cost", paidFraction(costs, exit)}});
  }
}

/// A trained net on the first test pictures, with the thresholds that its file carries.
void registerRealData(const std::string& dataName, const std::string& dataFolder,
                      const std::string& modelFolder) {
  constexpr int kPictures = 500;
  const std::string dataFile = (fs::path(dataFolder) / "t10k-images-idx3-ubyte.gz").string();
  const std::string modelStem = (fs::path(modelFolder) / ("rdi-smallcnn-" + dataName)).string();
  for (const std::string& needed : {dataFile, modelStem + ".onnx", modelStem + ".early-exit.onnx"}) {
    if (fs::exists(needed)) continue;
    std::cerr << dataName << " is left out: there is no " << needed << "\n";
    return;
  }
  const onnx::ModelProto model = graph::loadModel(modelStem + ".onnx");
  cv::dnn::Net inOpenCv = staticNet(model, graph::exitNames(model).back()),
               inOurs = staticNetInOurEngine(model);
  cv::dnn::Net earlyExit = cv::dnn::readNet(modelStem + ".early-exit.onnx");
  const auto rule = graph::readMetadata(graph::loadModel(modelStem + ".early-exit.onnx")).rule;
  const bool answersAlone = rule && rule->fusion == graph::Fusion::last;
  const ModelInfo info = rdi::readModelInfo(modelStem + ".early-exit.onnx");
  const std::vector<ExitInfo> exits = rdi::exits(earlyExit);

  std::vector<cv::Mat> blobs;
  std::vector<double> taken(exits.size(), 0);
  double cost = 0;
  for (const cv::Mat& picture : readIdxPictures(dataFile, kPictures)) {
    blobs.push_back(rdi::blobFromImage(picture, info));
    const cv::Mat expected = run(inOpenCv, blobs.back());
    requireEqual(dataName + ", static net in our engine", expected, run(inOurs, blobs.back()));
    const cv::Mat scores = run(earlyExit, blobs.back());
    const size_t exit = static_cast<size_t>(rdi::lastExits(earlyExit).at(0));
    if (answersAlone && exit + 1 == exits.size()) requireEqual(dataName + ", main exit", expected, scores);
    taken[exit] += 1.0 / kPictures;
    cost += paidFraction(exits, exit) / kPictures;
  }
  std::map<std::string, double> counters = {{"cost", cost}};
  for (size_t i = 0; i < exits.size(); ++i) counters["share_" + exits[i].name] = taken[i];
  measure(dataName + "/static/opencv", inOpenCv, blobs, {{"cost", 1}});
  measure(dataName + "/static/rdi", inOurs, blobs, {{"cost", 1}});
  measure(dataName + "/early_exit", earlyExit, blobs, counters);
}

std::string isaName() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2 VNNI";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512 VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 BF16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "AVX-512 AMX";
    default:
      return text("oneDNN's code ", static_cast<int>(dnnl::get_effective_cpu_isa()));
  }
}

int runBenchmarks(int argc, char** argv, const Options& options) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    std::cerr << kUsage;
    return 2;
  }
  cv::setNumThreads(options.threads);

  const dnnl_version_t* oneDnn = dnnl_version();
  benchmark::AddCustomContext("threads", std::to_string(options.threads));
  benchmark::AddCustomContext("oneDNN", text(oneDnn->major, ".", oneDnn->minor, ".", oneDnn->patch));
  benchmark::AddCustomContext("oneDNN ISA", isaName());
  benchmark::AddCustomContext("OpenCV", cv::getVersionString());
  benchmark::AddCustomContext("OpenCV CPU features", cv::getCPUFeaturesLine());

  registerForcedExits("rdi-smallcnn");
  registerForcedExits("rdi-resnet38");
  registerRealData("fashion-mnist", options.fashionMnist, options.models);
  registerRealData("mnist", options.mnist, options.models);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

int runProgram(int argc, char** argv) {
  if (std::any_of(argv + 1, argv + argc, [](const std::string& word) { return word == "--help"; })) {
    std::cout << kUsage;
    return 0;
  }
  Options options;
  try {
    options = takeOptions(argc, argv);
  } catch (const WrongUsage& error) {
    std::cerr << "rdi_benchmark: " << error.what() << "\n" << kUsage;
    return 2;
  }
  return runBenchmarks(argc, argv, options);
}

}  // namespace
}  // namespace rdi::bench

int main(int argc, char** argv) {
  return rdi::runMain("rdi_benchmark", [&] { return rdi::bench::runProgram(argc, argv); });
}
