// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/dnn.hpp>
#include <string>

namespace rdi {

/// Throws a cv::Exception that begins with the layer's type and name.
[[noreturn]] void fail(const cv::dnn::Layer& layer, const std::string& problem);

/// "3x32x32", for messages.
std::string toString(const cv::dnn::MatShape& shape);

/// Attribute of a layer; throws a cv::Exception naming layer and attribute when it is absent or of another
/// type.
std::string textAttribute(const cv::dnn::LayerParams& params, const std::string& name);
int intAttribute(const cv::dnn::LayerParams& params, const std::string& name);
/// A non-negative number written as decimal digits; 0 when absent.
double countAttribute(const cv::dnn::LayerParams& params, const std::string& name);

}  // namespace rdi
