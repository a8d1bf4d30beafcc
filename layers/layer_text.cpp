// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/layer_text.hpp"

#include <cstdlib>

#include "graph/error.hpp"

namespace rdi {
namespace {

[[noreturn]] void failAttribute(const cv::dnn::LayerParams& params, const std::string& name,
                                const std::string& found) {
  CV_Error(cv::Error::StsBadArg, text(params.type, " '", params.name, "': attribute ", name, " ", found,
                                      "; convert the model again with rdi-convert"));
}

}  // namespace

void fail(const cv::dnn::Layer& layer, const std::string& problem) {
  CV_Error(cv::Error::StsBadArg, text(layer.type, " '", layer.name, "': ", problem));
}

std::string toString(const cv::dnn::MatShape& shape) {
  std::string result;
  for (const int extent : shape) result += (result.empty() ? "" : "x") + std::to_string(extent);
  return result.empty() ? "scalar" : result;
}

std::string textAttribute(const cv::dnn::LayerParams& params, const std::string& name) {
  if (!params.has(name)) failAttribute(params, name, "is missing");
  const cv::dnn::DictValue& value = params.get(name);
  if (!value.isString() || value.size() != 1) failAttribute(params, name, "is not a string");
  return value.get<cv::String>();
}

int intAttribute(const cv::dnn::LayerParams& params, const std::string& name) {
  if (!params.has(name)) failAttribute(params, name, "is missing");
  const cv::dnn::DictValue& value = params.get(name);
  if (!value.isInt() || value.size() != 1) failAttribute(params, name, "is not an integer");
  return value.get<int>();
}

double countAttribute(const cv::dnn::LayerParams& params, const std::string& name) {
  if (!params.has(name)) return 0;
  const std::string digits = textAttribute(params, name);
  char* end = nullptr;
  const double count = std::strtod(digits.c_str(), &end);
  const bool whole = !digits.empty() && *end == '\0' && count >= 0;
  if (!whole) failAttribute(params, name, text("is '", digits, "', expected a number"));
  return count;
}

}  // namespace rdi
