// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// plugin_load FOLDER [LIBRDI]: opens the library, if it is not preloaded, and runs an early-exit net with
// nothing but OpenCV. Fails when an answer differs from the static net's, or when anything was printed on the
// way.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <opencv2/dnn.hpp>
#include <stdexcept>
#include <string>

namespace {

/// Sends standard output and error to a file for its lifetime.
class Captured {
public:
  Captured() : file_(std::tmpfile()) {
    for (int i = 0; i < 2; ++i) {
      saved_[i] = dup(i + 1);
      dup2(fileno(file_), i + 1);
    }
  }
  ~Captured() {
    restore();
    std::fclose(file_);
  }
  std::string text() {
    restore();
    std::string result(4096, '\0');
    std::rewind(file_);
    result.resize(std::fread(result.data(), 1, result.size(), file_));
    return result;
  }

private:
  void restore() {
    std::fflush(nullptr);
    for (int i = 0; i < 2; ++i)
      if (saved_[i] >= 0) {
        dup2(saved_[i], i + 1);
        close(saved_[i]);
        saved_[i] = -1;
      }
  }
  std::FILE* file_;
  int saved_[2] = {-1, -1};
};

cv::Mat forward(cv::dnn::Net& net, const cv::Mat& blob) {
  net.setInput(blob);
  return net.forward().clone();
}

void requireEqual(const cv::Mat& expected, const cv::Mat& found) {
  if (!(cv::norm(expected, found, cv::NORM_INF) <= 1e-4 * cv::norm(expected, cv::NORM_INF)))
    throw std::runtime_error("the early-exit net and the static net disagree");
}

void run(const std::string& folder, const char* library) {
  if (library != nullptr) {
    void* handle = dlopen(library, RTLD_NOW);
    if (handle == nullptr) throw std::runtime_error(dlerror());
    dlclose(handle);  // the layers must stay
  }
  cv::dnn::Net net = cv::dnn::readNet(folder + "/early.onnx");
  cv::dnn::Net whole = cv::dnn::readNet(folder + "/static.onnx"),
               first = cv::dnn::readNet(folder + "/exit1.onnx");
  cv::Mat blob({3, 1, 28, 28}, CV_32F);
  cv::randu(blob, 0, 1);
  requireEqual(forward(whole, blob), forward(net, blob));
  const float infinity = std::numeric_limits<float>::infinity();
  net.setParam(net.getLayerId("onnx_node!gate_exit1"), 0, cv::Mat(1, 1, CV_32F, cv::Scalar(infinity)));
  requireEqual(forward(first, blob), forward(net, blob));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::string problem, printed;
  {
    Captured captured;
    try {
      run(argv[1], argc > 2 ? argv[2] : nullptr);
    } catch (const std::exception& error) {
      problem = error.what();
    }
    printed = captured.text();
  }
  if (problem.empty() && !printed.empty()) problem = "something was printed: " + printed;
  if (!problem.empty()) std::fprintf(stderr, "%s\n", problem.c_str());
  return problem.empty() ? 0 : 1;
}
