// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#define RDI_API __attribute__((visibility("default")))

/// Early-exit networks for OpenCV DNN. Load librdi (link it, dlopen it or LD_PRELOAD it), then use cv::dnn as
/// always: readNet("model.onnx"), setInput, forward. The functions here only set knobs and read what
/// happened.
namespace rdi {

/// Registers RdiStage, RdiBranchClassifier, RdiEarlyExit and RdiSelect with OpenCV. Happens by itself when
/// the library is loaded; calling it again, in any order and from any thread, does nothing.
RDI_API void registerLayers();

/// Layer whose N x 1 output holds the index of the exit that each row took: net.forward(outs, {"scores",
/// kExitLayer}).
inline constexpr char kExitLayer[] = "onnx_node!exit";

/// One exit of a loaded net, in the order in which inputs reach them; the last one is the main exit.
struct ExitInfo {
  std::string name;     // exit1 .. exitK, main
  std::string layer;    // name of its RdiEarlyExit layer: net.setParam(layer, 0, threshold) works too
  float threshold = 0;  // leaves when the uncertainty is below; unused for the main exit
  double paidMacs =
      0;  // multiply-accumulates on the way here: trunk and every head (conv + linear), as trained
  double ownMacs = 0;  // trunk and this exit's own head only (conv + linear); main: the static net
  double paperMi = 0;  // the paper's figure: convolution MACs of trunk and own head in units of 2^20
};

/// The exits of a net that readNet loaded; throws cv::Exception when it is not an early-exit net.
RDI_API std::vector<ExitInfo> exits(const cv::dnn::Net& net);

/// Thresholds of exits 1 .. K. +infinity: everybody leaves here at the latest (a hard bound on the depth);
/// -infinity: nobody leaves here.
RDI_API std::vector<float> thresholds(const cv::dnn::Net& net);

/// Sets them; they apply from the next forward. Throws cv::Exception for NaN or another number than K.
RDI_API void setThresholds(cv::dnn::Net& net, const std::vector<float>& thresholds);

/// Names of the exit rules that the file offers for use at run time, "default" being the one it answers by
/// when nothing is said; empty when it offers no others. rdi-evaluate calibrate --operating-point adds them.
RDI_API std::vector<std::string> operatingPoints(const cv::dnn::Net& net);

/// Answers by this rule from the next forward: its thresholds, criterion, fusion and patience. Throws
/// cv::Exception with the names that are there for another one.
RDI_API void setOperatingPoint(cv::dnn::Net& net, const std::string& name);

/// Index (0-based, K = main) of the exit that each row of the last forward took; empty before the first one.
RDI_API std::vector<int> lastExits(const cv::dnn::Net& net);

/// What runs one RdiStage or RdiBranchClassifier of a loaded net.
struct StageInfo {
  std::string layer;           // name of the layer
  std::string engine;          // onednn or opencv
  std::string precision;       // that the file asks for: float32, bf16 or int8
  std::string precisionInUse;  // the same, or float32 where this processor is not faster with it
};

/// The stages of a net that readNet loaded, in the order of the computation; empty for any other net.
RDI_API std::vector<StageInfo> stages(const cv::dnn::Net& net);

/// What a model file says about itself.
struct ModelInfo {
  std::string architecture;
  std::vector<std::string> classNames;  // empty when the file names none
  double scale = 1.0 / 255.0;           // the arguments for blobFromImage
  cv::Size size;
  cv::Scalar mean;
  bool swapRB = false;
  int channels = 3;  // 1: convert the picture to grey first
};

/// Reads the metadata of an ONNX file written by this project; throws cv::Exception when it cannot be read.
RDI_API ModelInfo readModelInfo(const std::string& path);

/// Picture (8-bit, BGR or grey, any size) -> blob 1 x C x H x W as the model wants it.
RDI_API cv::Mat blobFromImage(const cv::Mat& image, const ModelInfo& info);

}  // namespace rdi
