// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace rdi::bench {

/// The first `count` pictures of a gzip-packed idx file (8-bit grey) or a file *.bin of CIFAR-10's binary
/// version (8-bit BGR); fewer when it holds fewer. Throws rdi::Error naming the file when it is no such file
/// or is cut short.
std::vector<cv::Mat> readPictures(const std::string& path, int count);

}  // namespace rdi::bench
