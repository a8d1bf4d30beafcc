// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "trainer/deployed_file.hpp"

namespace rdi::train {

/// What cv::dnn answers to a batch.
struct DeployedAnswers {
  std::vector<float> scores;  // N x classes, of the exits taken
  std::vector<int> exits;     // N, 0-based
};

/// An early-exit file as its users run it.
struct DeployedNet {
  std::string engine;  // "OpenCV 4.6.0 with path/to/librdi.so"
  std::function<DeployedAnswers(const std::vector<float>& images, int64_t count)> run;
};

/// Loads librdi (`plugin`; where the installation or the build has it when empty) by dlopen, and the file by
/// cv::dnn::readNet. `threads` of 0 leaves OpenCV's choice. Throws rdi::Error when either cannot be loaded
/// and, in a build without OpenCV, always.
DeployedNet openDeployed(const DeployedFile& file, const std::string& plugin, int threads);

}  // namespace rdi::train
