// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// Signature; then chunks of length, type, data and CRC: IHDR (size and kind), IDAT (zlib stream of lines,
// each with a filter byte before it), IEND.

#include "trainer/png.hpp"

#include <zlib.h>

#include <string>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

using Bytes = std::vector<uint8_t>;

void appendNumber(Bytes& bytes, uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<uint8_t>(value >> shift & 0xff));
}

void appendChunk(Bytes& file, const std::string& type, const Bytes& data) {
  appendNumber(file, static_cast<uint32_t>(data.size()));
  const size_t start = file.size();
  file.insert(file.end(), type.begin(), type.end());
  file.insert(file.end(), data.begin(), data.end());
  appendNumber(file, static_cast<uint32_t>(crc32(0, &file[start], static_cast<uInt>(file.size() - start))));
}

}  // namespace

Bytes toPng(const Bytes& planes, int64_t channels, int64_t height, int64_t width) {
  if (channels != 1 && channels != 3)
    throw Error(text("a picture has ", channels, " channels; expected 1 (grey) or 3 (RGB)"));
  if (height < 1 || width < 1 || static_cast<int64_t>(planes.size()) != channels * height * width)
    throw Error(
        text("a picture of ", channels, " x ", height, " x ", width, " has ", planes.size(), " bytes"));
  Bytes lines;
  for (int64_t y = 0; y < height; ++y) {
    lines.push_back(0);  // no filter
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c)
        lines.push_back(planes[static_cast<size_t>((c * height + y) * width + x)]);
  }
  uLongf size = compressBound(lines.size());
  Bytes packed(size);
  if (compress2(packed.data(), &size, lines.data(), lines.size(), Z_BEST_COMPRESSION) != Z_OK)
    throw Error("a picture cannot be compressed: out of memory");
  packed.resize(size);

  Bytes header;
  appendNumber(header, static_cast<uint32_t>(width));
  appendNumber(header, static_cast<uint32_t>(height));
  const uint8_t kind = channels == 1 ? 0 : 2;
  for (const uint8_t value : {uint8_t{8}, kind, uint8_t{0}, uint8_t{0}, uint8_t{0}}) header.push_back(value);
  Bytes file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  appendChunk(file, "IHDR", header);
  appendChunk(file, "IDAT", packed);
  appendChunk(file, "IEND", {});
  return file;
}

}  // namespace rdi::train
