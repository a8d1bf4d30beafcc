// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/core.hpp>
#include <string>

namespace rdi::test {

/// Message of the cv::Exception that an action throws, or "no error".
template <typename Action>
std::string messageOf(const Action& action) {
  try {
    action();
  } catch (const cv::Exception& error) {
    return error.what();
  }
  return "no error";
}

inline bool mentions(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

}  // namespace rdi::test
