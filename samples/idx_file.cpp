// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "idx_file.hpp"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>

// An idx file: 0 0 TYPE RANK, RANK sizes (32 bits, big endian), the values. TYPE 8 is an unsigned byte.
namespace {

struct IdxFile {
  std::vector<int> sizes;
  std::vector<uint8_t> values;
};

IdxFile readIdx(const std::string& path, int rank) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error(path + ": cannot be opened");
  const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(stream)),
                                   std::istreambuf_iterator<char>());

  if (bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
    throw std::runtime_error(path + ": is packed with gzip; unpack it first (gunzip -k)");
  }
  const size_t headerSize = 4 + 4 * static_cast<size_t>(rank);
  if (bytes.size() < headerSize || bytes[0] || bytes[1] || bytes[2] != 8 || bytes[3] != rank) {
    throw std::runtime_error(path + ": not an idx file of unsigned bytes with " + std::to_string(rank) +
                             " dimension(s)");
  }
  IdxFile file;
  uint64_t count = 1;
  for (int i = 0; i < rank; ++i) {
    const uint8_t* b = &bytes[4 + 4 * i];
    const uint32_t size = uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | uint32_t{b[3]};
    if (size == 0 || size > 10'000'000) {
      throw std::runtime_error(path + ": dimension " + std::to_string(i) + " is " + std::to_string(size));
    }
    count *= size;
    if (count > bytes.size()) break;  // too short whatever follows; also keeps count from overflowing
    file.sizes.push_back(static_cast<int>(size));
  }
  if (bytes.size() - headerSize != count) {
    throw std::runtime_error(path + ": holds " + std::to_string(bytes.size() - headerSize) +
                             " values, its header announces " +
                             (count > bytes.size() ? "more" : std::to_string(count)));
  }
  file.values.assign(bytes.begin() + static_cast<std::ptrdiff_t>(headerSize), bytes.end());
  return file;
}

}  // namespace

IdxSet readIdxSet(const std::string& imagesPath, const std::string& labelsPath) {
  const IdxFile images = readIdx(imagesPath, 3);
  const IdxFile labels = readIdx(labelsPath, 1);
  const int count = images.sizes[0], height = images.sizes[1], width = images.sizes[2];
  if (labels.sizes[0] != count) {
    throw std::runtime_error(labelsPath + ": " + std::to_string(labels.sizes[0]) + " labels for " +
                             std::to_string(count) + " pictures in " + imagesPath);
  }
  IdxSet set;
  for (int i = 0; i < count; ++i) {
    cv::Mat image(height, width, CV_8UC1);
    const size_t pixels = image.total();
    std::copy_n(&images.values[i * pixels], pixels, image.ptr());
    set.images.push_back(image);
    set.labels.push_back(labels.values[i]);
  }
  return set;
}
