// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "benchmarks/pictures.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <opencv2/imgproc.hpp>

#include "graph/error.hpp"

namespace rdi::bench {
namespace {

std::vector<cv::Mat> readIdxPictures(const std::string& path, int count) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw Error(text(path, ": cannot be opened"));

  // 0 0 8 3, then count, height and width as big-endian 32-bit numbers, then the pixels.
  uint8_t header[16];
  const bool complete = gzread(file.get(), header, sizeof header) == static_cast<int>(sizeof header);
  if (!complete || header[0] || header[1] || header[2] != 8 || header[3] != 3) {
    throw Error(text(path, ": expected an idx file of byte pictures"));
  }
  const auto size = [&](int at) { return header[at + 2] * 256 + header[at + 3]; };  // none is above 65,535
  const int available = size(4), height = size(8), width = size(12);

  std::vector<cv::Mat> pictures;
  for (int i = 0; i < std::min(count, available); ++i) {
    cv::Mat picture(height, width, CV_8UC1);
    const unsigned bytes = static_cast<unsigned>(picture.total());
    if (gzread(file.get(), picture.ptr(), bytes) != static_cast<int>(bytes)) {
      throw Error(text(path, ": ends in picture ", i, " of ", available));
    }
    pictures.push_back(picture);
  }
  return pictures;
}

/// Records of a label and 32 x 32 bytes each of red, green and blue.
std::vector<cv::Mat> readCifarPictures(const std::string& path, int count) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(text(path, ": cannot be opened"));
  std::vector<cv::Mat> pictures;
  char record[1 + 3 * 1024];
  while (static_cast<int>(pictures.size()) < count && file.read(record, sizeof record)) {
    cv::Mat picture;
    cv::merge(std::vector<cv::Mat>{cv::Mat(32, 32, CV_8UC1, record + 1 + 2048),
                                   cv::Mat(32, 32, CV_8UC1, record + 1 + 1024),
                                   cv::Mat(32, 32, CV_8UC1, record + 1)},
              picture);
    pictures.push_back(picture);
  }
  if (pictures.empty()) throw Error(text(path, ": holds no picture of CIFAR-10's binary version"));
  return pictures;
}

}  // namespace

std::vector<cv::Mat> readPictures(const std::string& path, int count) {
  const bool cifar = path.size() > 4 && path.substr(path.size() - 4) == ".bin";
  return cifar ? readCifarPictures(path, count) : readIdxPictures(path, count);
}

}  // namespace rdi::bench
