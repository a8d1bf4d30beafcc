// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "rdi/rdi.hpp"

namespace rdi {
namespace {

ModelInfo infoOf(const onnx::ModelProto& model) {
  const graph::Metadata metadata = graph::readMetadata(model);
  const graph::Shape shape = graph::inputShape(model);
  ModelInfo info;
  info.architecture = metadata.architecture;
  info.classNames = metadata.classNames;
  info.channels = static_cast<int>(shape.at(0));
  info.size = cv::Size(static_cast<int>(shape.at(2)), static_cast<int>(shape.at(1)));
  if (!metadata.preprocessing) return info;
  const graph::Preprocessing& preprocessing = *metadata.preprocessing;
  info.scale = preprocessing.scale;
  info.swapRB = preprocessing.swapRB;
  const size_t given = preprocessing.mean.size();
  if (given > static_cast<size_t>(info.channels) || given > 4)
    throw Error(text("rdi.preprocessing holds ", given, " means for ", info.channels, " channels"));
  for (size_t i = 0; i < given; ++i) info.mean[static_cast<int>(i)] = preprocessing.mean[i];
  return info;
}

/// The picture with as many channels as the model wants.
cv::Mat withChannels(const cv::Mat& image, int channels) {
  if (image.channels() == channels) return image;
  cv::Mat converted;
  if (channels == 1)
    cv::cvtColor(image, converted, image.channels() == 4 ? cv::COLOR_BGRA2GRAY : cv::COLOR_BGR2GRAY);
  else
    cv::cvtColor(image, converted, image.channels() == 4 ? cv::COLOR_BGRA2BGR : cv::COLOR_GRAY2BGR);
  return converted;
}

}  // namespace

ModelInfo readModelInfo(const std::string& path) {
  try {
    return infoOf(graph::loadModel(path));
  } catch (const std::exception& error) {
    CV_Error(cv::Error::StsBadArg, text("rdi: ", path, ": ", error.what()));
  }
}

cv::Mat blobFromImage(const cv::Mat& image, const ModelInfo& info) {
  const int given = image.channels();
  if (image.empty() || image.depth() != CV_8U || image.dims != 2 || (given != 1 && given != 3 && given != 4))
    CV_Error(cv::Error::StsBadArg, "rdi: blobFromImage expects an 8-bit picture with 1, 3 or 4 channels");
  if ((info.channels != 1 && info.channels != 3) || info.size.width < 1 || info.size.height < 1)
    CV_Error(cv::Error::StsBadArg,
             text("rdi: the model wants ", info.channels, " channels of ", info.size.width, "x",
                  info.size.height, " pixels; blobFromImage knows 1 or 3 channels"));
  return cv::dnn::blobFromImage(withChannels(image, info.channels), info.scale, info.size, info.mean,
                                info.swapRB,
                                /*crop=*/false);
}

}  // namespace rdi
