// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What does early exit save on real pictures? Time per picture, average and percentiles, of the static net
// and of early-exit files with the thresholds they carry, next to the cost that was paid. By default the
// models of this project on their test sets; with --model, --pictures and --early-exit any other.

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <rdi/rdi.hpp>
#include <sstream>

#include "benchmarks/harness.hpp"
#include "benchmarks/networks.hpp"
#include "benchmarks/onnx_runtime.hpp"
#include "benchmarks/pictures.hpp"
#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"

namespace rdi::bench {
namespace {

namespace fs = std::filesystem;

/// Latencies of single pictures in milliseconds, for percentiles, which an average over a pass cannot give.
Counters percentiles(const cv::dnn::Net& net, const std::vector<cv::Mat>& blobs) {
  cv::dnn::Net runnable = net;
  std::vector<double> milliseconds;
  for (const cv::Mat& blob : blobs) {
    const double start = now();
    runnable.setInput(blob);
    runnable.forward();
    milliseconds.push_back(1e3 * (now() - start));
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto at = [&](double share) {
    return milliseconds[static_cast<size_t>(share * static_cast<double>(milliseconds.size() - 1))];
  };
  return {{"p50_ms", at(0.5)}, {"p99_ms", at(0.99)}};
}

Counters with(Counters counters, const Counters& more) {
  counters.insert(more.begin(), more.end());
  return counters;
}

std::vector<std::string> split(const std::string& words) {
  std::vector<std::string> parts;
  std::istringstream stream(words);
  for (std::string word; std::getline(stream, word, ',');) parts.push_back(word);
  return parts;
}

void registerEarlyExit(const std::string& name, const std::string& file, const std::vector<cv::Mat>& blobs) {
  const cv::dnn::Net net = cv::dnn::readNet(file);
  const std::vector<ExitInfo> exits = rdi::exits(net);
  std::vector<double> taken(exits.size(), 0);
  Counters counters = {{"cost", 0}};
  for (const cv::Mat& blob : blobs) {
    run(net, blob);
    const auto exit = static_cast<size_t>(rdi::lastExits(net).at(0));
    taken[exit] += 1.0 / static_cast<double>(blobs.size());
    counters["cost"] += paidFraction(net, exit) / static_cast<double>(blobs.size());
  }
  for (size_t i = 0; i < exits.size(); ++i) counters["share_" + exits[i].name] = taken[i];
  measureNet(name, net, blobs, with(counters, percentiles(net, blobs)));
}

void registerModel(const std::string& name, const std::string& model, const std::string& pictures,
                   const std::vector<std::string>& earlyExitFiles, const Settings& settings) {
  std::vector<std::string> needed = earlyExitFiles;
  needed.insert(needed.end(), {model, pictures});
  for (const std::string& file : needed) {
    if (fs::exists(file)) continue;
    std::cerr << name << " is left out: there is no " << file << "\n";
    return;
  }
  const onnx::ModelProto multiExit = graph::loadModel(model);
  const std::string main = graph::exitNames(multiExit).back();
  const cv::dnn::Net inOpenCv = staticNet(multiExit, main), inOurs = staticNetInOurEngine(multiExit);
  const ModelInfo info = rdi::readModelInfo(model);
  std::vector<cv::Mat> blobs;
  for (const cv::Mat& picture : readPictures(pictures, std::stoi(settings.at("count")))) {
    blobs.push_back(rdi::blobFromImage(picture, info));
    requireEqual(name + ", static net in our engine", run(inOpenCv, blobs.back()), run(inOurs, blobs.back()));
  }
  measureNet(name + "/static/opencv", inOpenCv, blobs, with({{"cost", 1}}, percentiles(inOpenCv, blobs)));
  measureNet(name + "/static/rdi", inOurs, blobs, with({{"cost", 1}}, percentiles(inOurs, blobs)));
  if (whyNoOnnxRuntime().empty())
    measureOnnxRuntime(name + "/static/onnxruntime",
                       std::make_shared<OnnxRuntime>(graph::buildStatic(multiExit, main), blobs[0],
                                                     std::stoi(settings.at("threads"))),
                       1);
  for (const std::string& file : earlyExitFiles)
    registerEarlyExit(name + "/early_exit/" + fs::path(file).stem().string(), file, blobs);
}

void registerAll(const Settings& settings) {
  if (!settings.at("model").empty())
    return registerModel(fs::path(settings.at("model")).stem().string(), settings.at("model"),
                         settings.at("pictures"), split(settings.at("early-exit")), settings);
  for (const char* data : {"fashion-mnist", "mnist"}) {
    const std::string stem = (fs::path(settings.at("models")) / text("rdi-smallcnn-", data)).string();
    registerModel(data, stem + ".onnx", (fs::path(settings.at(data)) / "t10k-images-idx3-ubyte.gz").string(),
                  {stem + ".early-exit.onnx"}, settings);
  }
}

}  // namespace
}  // namespace rdi::bench

int main(int argc, char** argv) {
  return rdi::bench::benchmarkMain(
      argc, argv, "rdi_data_benchmark",
      {{"count", "500", "pictures, the first ones of the file"},
       {"models", RDI_SOURCE_DIR "/models", "folder of this project's models"},
       {"fashion-mnist", "/usr/share/datasets/fashion-mnist", "folder of its .gz files"},
       {"mnist", RDI_SOURCE_DIR "/../shared/data/mnist", "folder of its .gz files"},
       {"model", "", "multi-exit file, instead of this project's models"},
       {"pictures", "", "for --model: an idx file, or one of CIFAR-10's binary version"},
       {"early-exit", "", "for --model: early-exit files, separated by commas"}},
      rdi::bench::registerAll);
}
