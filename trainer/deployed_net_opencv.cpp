// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <dlfcn.h>

#include <filesystem>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>

#include "graph/error.hpp"
#include "trainer/deployed_net.hpp"

namespace rdi::train {
namespace {

constexpr const char* kScores = "scores";
constexpr const char* kExits = "onnx_node!exit";

// The library stays loaded: OpenCV keeps pointers to its layers.
std::string loadPlugin(const std::string& given) {
  std::vector<std::string> candidates = {given};
  if (given.empty()) {
    const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    candidates.clear();
    for (const char* folder : {"../lib", RDI_LIBRARY_FOLDER})
      for (const char* name : {"librdi.so", RDI_LIBRARY_NAME}) {
        const auto path = (here / folder / name).lexically_normal();
        if (std::filesystem::exists(path)) candidates.push_back(path.string());
      }
    candidates.insert(candidates.end(), {"librdi.so", RDI_LIBRARY_NAME});
  }
  std::string problem;
  for (const std::string& path : candidates) {
    // A name without a slash is what the loader searches for; a file is meant when there is one.
    const std::string name = std::filesystem::exists(path) ? std::filesystem::absolute(path).string() : path;
    if (dlopen(name.c_str(), RTLD_NOW) != nullptr) return path;
    if (problem.empty()) problem = dlerror();
  }
  throw Error(text("the plugin cannot be loaded: ", problem, "; give --plugin path/to/librdi.so"));
}

}  // namespace

DeployedNet openDeployed(const DeployedFile& file, const std::string& plugin, int threads) {
  DeployedNet deployed;
  deployed.engine = text("OpenCV ", cv::getVersionString(), " with ", loadPlugin(plugin));
  if (threads > 0) cv::setNumThreads(threads);
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);  // it throws what it prints
  cv::dnn::Net net;
  try {
    net = cv::dnn::readNet(file.path);
  } catch (const cv::Exception& error) {
    throw Error(text(file.path, ": cv::dnn cannot load it: ", onOneLine(error.what())));
  }
  const auto classes = static_cast<int>(file.classCount);
  const std::vector<int> shape(file.inputShape.begin(), file.inputShape.end());
  deployed.run = [net, classes, shape, path = file.path](const std::vector<float>& images,
                                                         int64_t count) mutable {
    const auto rows = static_cast<int>(count);
    std::vector<cv::Mat> outputs;
    try {
      net.setInput(cv::Mat({rows, shape[0], shape[1], shape[2]}, CV_32F, const_cast<float*>(images.data())));
      net.forward(outputs, std::vector<cv::String>{kScores, kExits});
    } catch (const cv::Exception& error) {
      throw Error(text(path, ": cv::dnn cannot run it: ", onOneLine(error.what())));
    }
    if (outputs[0].total() != static_cast<size_t>(rows) * static_cast<size_t>(classes) ||
        outputs[1].total() != static_cast<size_t>(rows))
      throw Error(text(path, ": cv::dnn gave ", outputs[0].total(), " scores and ", outputs[1].total(),
                       " exits for ", rows, " images, expected ", classes, " and one an image"));
    DeployedAnswers answers;
    const cv::Mat scores = outputs[0].reshape(1, rows), exits = outputs[1].reshape(1, rows);
    answers.scores.assign(scores.ptr<float>(), scores.ptr<float>() + scores.total());
    for (int i = 0; i < rows; ++i) answers.exits.push_back(static_cast<int>(exits.at<float>(i, 0)));
    return answers;
  };
  return deployed;
}

}  // namespace rdi::train
