// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Stands for deployed_net_opencv.cpp in a build without OpenCV.

#include "graph/error.hpp"
#include "trainer/deployed_net.hpp"

namespace rdi::train {

DeployedNet openDeployed(const DeployedFile& file, const std::string&, int) {
  throw Error(
      text(file.path,
           ": this program was built without OpenCV, which runs early-exit files; install libopencv-dev "
           "and build again with RDI_TRAINER_WITH_OPENCV=ON"));
}

}  // namespace rdi::train
