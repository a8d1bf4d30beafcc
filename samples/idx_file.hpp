// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

/// Pictures and labels of the MNIST family's idx files (unpacked).
struct IdxSet {
  std::vector<cv::Mat> images;  // 8-bit grey
  std::vector<int> labels;
};

/// Throws std::runtime_error naming the file, what was found and what was expected.
IdxSet readIdxSet(const std::string& imagesPath, const std::string& labelsPath);
