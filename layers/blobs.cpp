// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/blobs.hpp"

#include "layers/layer_text.hpp"

namespace rdi {

const std::vector<cv::Mat>& blobsOf(const cv::dnn::Layer& layer, cv::InputArrayOfArrays arrays,
                                    std::vector<cv::Mat>& storage) {
  const std::vector<cv::Mat>* blobs = &storage;
  if (arrays.kind() == cv::_InputArray::STD_VECTOR_MAT)
    blobs = static_cast<const std::vector<cv::Mat>*>(arrays.getObj());
  else
    arrays.getMatVector(storage);
  for (const cv::Mat& blob : *blobs)
    if (blob.type() != CV_32F || !blob.isContinuous()) fail(layer, "expected float32 blobs without gaps");
  return *blobs;
}

}  // namespace rdi
