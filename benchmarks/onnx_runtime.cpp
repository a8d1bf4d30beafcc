// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "benchmarks/onnx_runtime.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "benchmarks/harness.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::bench {
namespace {

namespace fs = std::filesystem;

constexpr char kScript[] = RDI_SOURCE_DIR "/benchmarks/onnx_runtime.js";
constexpr int kRuns = 20;  // an iteration: the clock for CPU time is coarse

}  // namespace

/// The child, and a stream to and from it.
struct OnnxRuntime::Process {
  Process(const fs::path& model, const std::string& shape, int threads) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      throw Error("cannot make a socket pair");
    const std::string count = std::to_string(threads);
    child = fork();
    if (child == 0) {
      dup2(ends[1], 0);
      dup2(ends[1], 1);
      execlp("node", "node", kScript, model.c_str(), shape.c_str(), count.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    stream = fdopen(ends[0], "r+");
    setvbuf(stream, nullptr, _IONBF, 0);
  }
  ~Process() {
    std::fclose(stream);  // the child ends when its input does
    waitpid(child, nullptr, 0);
  }

  void write(const void* bytes, size_t size) {
    if (std::fwrite(bytes, 1, size, stream) != size) throw Error("the ONNX Runtime process has gone");
  }

  std::istringstream readLine() {
    std::string line;
    int byte = 0;
    while ((byte = std::fgetc(stream)) != EOF && byte != '\n') line += static_cast<char>(byte);
    if (byte == EOF || line.rfind("error:", 0) == 0)
      throw Error(text("ONNX Runtime: ", line.empty() ? "its process has gone" : line));
    return std::istringstream(line);
  }

  pid_t child = -1;
  std::FILE* stream = nullptr;
};

std::string whyNoOnnxRuntime() {
  static const bool found = std::system(("node " + std::string(kScript) + " 2>/dev/null").c_str()) == 0;
  return found
             ? ""
             : "ONNX Runtime is left out: node does not find onnxruntime-node; npm install --ignore-scripts "
               "onnxruntime-node in a folder above this checkout, or NODE_PATH=FOLDER/node_modules";
}

OnnxRuntime::OnnxRuntime(const onnx::ModelProto& model, const cv::Mat& blob, int threads) {
  const fs::path file = fs::temp_directory_path() / text("rdi-benchmark-", getpid(), ".onnx");
  graph::saveModel(model, file.string());
  std::string shape;
  for (int axis = 0; axis < blob.dims; ++axis)
    shape += (axis == 0 ? "" : ",") + std::to_string(blob.size[axis]);
  process_ = std::make_unique<Process>(file, shape, threads);
  process_->write(blob.data, blob.total() * sizeof(float));
  std::istringstream answer = process_->readLine();
  fs::remove(file);
  int count = 0;
  answer >> version_ >> count;
  output_.create(1, count, CV_32F);
  for (int i = 0; i < count; ++i) answer >> output_.at<float>(i);
}

OnnxRuntime::~OnnxRuntime() = default;

double OnnxRuntime::seconds(int runs, bool cpuTime) {
  const std::string line = std::to_string(runs) + "\n";
  process_->write(line.data(), line.size());
  double wall = 0, cpu = 0;
  process_->readLine() >> wall >> cpu;
  return cpuTime ? cpu : wall;
}

void measureOnnxRuntime(const std::string& name, const std::shared_ptr<OnnxRuntime>& runtime, double cost) {
  measureSeconds(name, kRuns, [runtime] { return runtime->seconds(kRuns, usesCpuClock()); },
                 {{"cost", cost}});
}

}  // namespace rdi::bench
