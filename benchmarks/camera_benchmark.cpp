// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What is left of it in a camera loop? Frames of 640 x 480 end to end, without the camera: cut the middle,
// resize, make the blob, classify, take the best class.

#include <filesystem>
#include <iostream>
#include <opencv2/imgproc.hpp>
#include <rdi/rdi.hpp>

#include "benchmarks/harness.hpp"
#include "benchmarks/networks.hpp"
#include "benchmarks/pictures.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::bench {
namespace {

namespace fs = std::filesystem;

/// A camera's frames that show these pictures.
std::vector<cv::Mat> framesOf(const std::vector<cv::Mat>& pictures) {
  std::vector<cv::Mat> frames;
  for (const cv::Mat& picture : pictures) {
    cv::Mat large, frame(480, 640, CV_8UC3, cv::Scalar(0, 0, 0));
    cv::resize(picture, large, {480, 480});
    if (large.channels() == 1) cv::cvtColor(large, large, cv::COLOR_GRAY2BGR);
    large.copyTo(frame(cv::Rect(80, 0, 480, 480)));
    frames.push_back(frame);
  }
  return frames;
}

int classify(cv::dnn::Net& net, const cv::Mat& frame, const ModelInfo& info) {
  const int side = std::min(frame.rows, frame.cols);
  const cv::Mat middle = frame({(frame.cols - side) / 2, (frame.rows - side) / 2, side, side});
  net.setInput(rdi::blobFromImage(middle, info));
  cv::Point best;
  cv::minMaxLoc(net.forward(), nullptr, nullptr, nullptr, &best);
  return best.x;
}

void measureLoop(const std::string& name, const cv::dnn::Net& net, const std::vector<cv::Mat>& frames,
                 const ModelInfo& info) {
  measure(name, static_cast<double>(frames.size()),
          [net, frames, info] {
            cv::dnn::Net runnable = net;  // copies share one network
            for (const cv::Mat& frame : frames) classify(runnable, frame, info);
          },
          {{"cost", 1}});
}

void registerAll(const Settings& settings) {
  const std::string model = settings.at("model"), stem = model.substr(0, model.rfind(".onnx"));
  const std::string earlyExit =
      settings.at("early-exit").empty() ? stem + ".early-exit.onnx" : settings.at("early-exit");
  for (const std::string& file : {model, earlyExit, settings.at("pictures")})
    if (!fs::exists(file)) throw Error(text("there is no ", file));
  const onnx::ModelProto multiExit = graph::loadModel(model);
  const ModelInfo info = rdi::readModelInfo(model);
  const std::vector<cv::Mat> frames = framesOf(readPictures(settings.at("pictures"), 50));
  const std::string name = fs::path(stem).filename().string();
  cv::dnn::Net inOpenCv = staticNet(multiExit, graph::exitNames(multiExit).back()),
               inOurs = staticNetInOurEngine(multiExit);
  for (const cv::Mat& frame : frames)
    if (classify(inOpenCv, frame, info) != classify(inOurs, frame, info))
      throw Error(name + ": the static nets disagree about a frame; nothing was timed");
  measureLoop(name + "/static/opencv", inOpenCv, frames, info);
  measureLoop(name + "/static/rdi", inOurs, frames, info);
  measureLoop(name + "/early_exit", cv::dnn::readNet(earlyExit), frames, info);
}

}  // namespace
}  // namespace rdi::bench

int main(int argc, char** argv) {
  return rdi::bench::benchmarkMain(
      argc, argv, "rdi_camera_benchmark",
      {{"model", RDI_SOURCE_DIR "/models/rdi-smallcnn-fashion-mnist.onnx", "multi-exit file"},
       {"early-exit", "", "default: MODEL.early-exit.onnx beside it"},
       {"pictures", "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz", "what the frames show"}},
      rdi::bench::registerAll);
}
