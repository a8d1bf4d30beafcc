// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <cstdio>
#include <rdi/rdi.hpp>

// consumer MODEL: prints the class count and the exit that an empty picture takes.
int main(int argc, char** argv) {
  if (argc != 2) return 2;
  cv::dnn::Net net = cv::dnn::readNet(argv[1]);
  const rdi::ModelInfo info = rdi::readModelInfo(argv[1]);
  net.setInput(rdi::blobFromImage(cv::Mat::zeros(info.size, CV_8UC3), info));
  const cv::Mat scores = net.forward();
  std::printf("classes %d exit %d of %zu\n", scores.cols, rdi::lastExits(net).at(0), rdi::exits(net).size());
  return 0;
}
