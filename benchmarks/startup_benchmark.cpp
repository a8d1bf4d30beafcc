// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// How long until the first answer, and how much memory stays? readNet and the first forward of RDI-ResNet38
// with all its exits, each time in a process of its own that has loaded nothing before; and what the net adds
// to the heap of a process that has run another one.

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <opencv2/dnn.hpp>

#include "benchmarks/harness.hpp"
#include "benchmarks/networks.hpp"
#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::bench {
namespace {

namespace fs = std::filesystem;

/// What `body` gives in a process of its own. This process must not have run a net: what it had loaded, the
/// other one would have too.
double inNewProcess(const std::function<double()>& body) {
  int ends[2];
  if (pipe(ends) != 0) throw Error("cannot make a pipe");
  const pid_t child = fork();
  if (child == 0) {
    double result = -1;
    try {
      result = body();
    } catch (const std::exception&) {
    }
    const bool told = write(ends[1], &result, sizeof result) == sizeof result;
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  double result = -1;
  const bool complete = read(ends[0], &result, sizeof result) == sizeof result;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!complete || result < 0) throw Error("the measured process failed");
  return result;
}

void readAndForward(const std::string& file) {
  cv::dnn::Net net = cv::dnn::readNet(file);
  const int sizes[] = {1, 3, 32, 32};
  net.setInput(cv::Mat(4, sizes, CV_32F, cv::Scalar(0.5)));
  net.forward();
}

double heapMegabytes() {
  const struct mallinfo2 info = mallinfo2();
  return 1e-6 * static_cast<double>(info.uordblks + info.hblkhd);
}

void registerPrecision(const std::string& folder, graph::Precision precision) {
  const std::string file = (fs::path(folder) / (graph::nameOf(precision) + ".onnx")).string();
  const std::string other = (fs::path(folder) / "other.onnx").string();
  inNewProcess([&] {
    graph::saveModel(earlyExitModel(randomModel("rdi-resnet38"), precision), file);
    graph::saveModel(earlyExitModel(randomModel("rdi-resnet38-lean"), graph::Precision::float32), other);
    return 0;
  });
  const double megabytes = inNewProcess([&] {
    readAndForward(other);
    const double before = heapMegabytes();
    cv::dnn::Net net = cv::dnn::readNet(file);
    const int sizes[] = {1, 3, 32, 32};
    net.setInput(cv::Mat(4, sizes, CV_32F, cv::Scalar(0.5)));
    net.forward();
    return heapMegabytes() - before;
  });
  const Counters counters = {
      {"cost", 1}, {"heap_mb", megabytes}, {"file_mb", 1e-6 * static_cast<double>(fs::file_size(file))}};
  measureSeconds(
      "rdi-resnet38/read_and_first_forward/" + graph::nameOf(precision), 1,
      [file] {
        return inNewProcess([&] {
          const double start = now();
          readAndForward(file);
          return now() - start;
        });
      },
      counters);
}

void registerAll(const Settings&) {
  const fs::path folder = fs::temp_directory_path() / text("rdi-startup-", getpid());
  fs::create_directories(folder);
  for (const graph::Precision precision : {graph::Precision::float32, graph::Precision::int8})
    registerPrecision(folder.string(), precision);
}

}  // namespace
}  // namespace rdi::bench

int main(int argc, char** argv) {
  return rdi::bench::benchmarkMain(argc, argv, "rdi_startup_benchmark", {}, rdi::bench::registerAll);
}
