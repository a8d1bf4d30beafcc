// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/dnn.hpp>
#include <vector>

namespace rdi {

/// The blobs that cv::dnn hands to a layer. `storage` holds them where they come in another form than a
/// vector of matrices, which cv::dnn uses; then nothing is copied or allocated. Throws a cv::Exception that
/// names the layer unless every blob is float32 without gaps.
const std::vector<cv::Mat>& blobsOf(const cv::dnn::Layer& layer, cv::InputArrayOfArrays arrays,
                                    std::vector<cv::Mat>& storage);

/// First value of a row, writable: whoever holds a matrix shares its data.
inline float* rowOf(const cv::Mat& blob, int row) {
  return reinterpret_cast<float*>(blob.data + blob.step[0] * static_cast<size_t>(row));
}

}  // namespace rdi
