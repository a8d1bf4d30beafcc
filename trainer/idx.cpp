// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// An idx file, big endian:
//   00 00 08 03                images: unsigned bytes in three dimensions (08 01 for labels)
//   00 00 ea 60                60000 items
//   00 00 00 1c  00 00 00 1c   rows and columns (images only)
//   ...                        the values, row by row

#include "trainer/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

struct GzClose {
  void operator()(gzFile file) const { gzclose(file); }
};
using GzFile = std::unique_ptr<gzFile_s, GzClose>;

// An idx file being read; gzip or raw, zlib tells.
class IdxFile {
public:
  IdxFile(const std::string& path, int dimensions) : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) throw Error(text(path, ": cannot be opened for reading"));
    gzbuffer(file_.get(), 1U << 17);
    const uint32_t magic = number("magic number");
    const uint32_t expected = 0x0800U + static_cast<uint32_t>(dimensions);
    if (magic != expected)
      throw Error(text(path, ": found magic number ", magic, ", expected ", expected,
                       " (an idx file of bytes in ", dimensions,
                       dimensions == 1 ? " dimension)" : " dimensions)"));
    for (int d = 0; d < dimensions; ++d) dims_.push_back(number("size"));
  }

  const std::vector<int64_t>& dims() const { return dims_; }

  std::vector<uint8_t> values() {
    constexpr int64_t kMost = int64_t{1} << 34;
    int64_t expected = 1;
    for (int64_t dim : dims_) {
      if (dim > 0 && expected > kMost / dim)
        throw Error(text(path_, ": the header asks for over 16 GiB of data; the file is damaged"));
      expected *= dim;
    }
    // Grown as it is read: a damaged header must not ask for memory the file cannot fill.
    std::vector<uint8_t> result;
    constexpr int64_t kStep = 1 << 24;
    while (static_cast<int64_t>(result.size()) < expected) {
      const size_t have = result.size();
      const auto want = static_cast<size_t>(std::min<int64_t>(kStep, expected - static_cast<int64_t>(have)));
      result.resize(have + want);
      const size_t got = read(result.data() + have, want);
      if (got < want)
        throw Error(text(path_, ": found ", have + got, " bytes of data", problem(), ", expected ", expected,
                         "; the file is cut short or damaged"));
    }
    uint8_t more = 0;
    if (read(&more, 1) != 0)
      throw Error(text(path_, ": found more data than the ", expected, " bytes its header announces"));
    const std::string damage = problem();
    if (!damage.empty()) throw Error(text(path_, ": damaged", damage));
    return result;
  }

private:
  uint32_t number(const char* what) {
    uint8_t bytes[4];
    if (read(bytes, 4) != 4)
      throw Error(
          text(path_, ": ends before its header does", problem(), " (no ", what, "); expected an idx file"));
    return (uint32_t{bytes[0]} << 24) | (uint32_t{bytes[1]} << 16) | (uint32_t{bytes[2]} << 8) | bytes[3];
  }

  size_t read(uint8_t* dst, size_t count) {
    const int got = gzread(file_.get(), dst, static_cast<unsigned>(count));
    return got < 0 ? 0 : static_cast<size_t>(got);
  }

  std::string problem() const {
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    return code == Z_OK || code == Z_STREAM_END ? "" : text(" (gzip: ", message, ")");
  }

  std::string path_;
  GzFile file_;
  std::vector<int64_t> dims_;
};

std::string findFile(const std::string& folder, const std::string& dataName, const std::string& name) {
  for (const std::string& candidate : {name, name + ".gz"}) {
    const std::filesystem::path path = std::filesystem::path(folder) / candidate;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path, ignored)) return path.string();
  }
  std::string advice = text("fetch the files with rdi-fetch-data ", dataName, " ", folder,
                            ", or give the folder that holds them, as ", dataName, ":FOLDER");
  if (dataName == "fashion-mnist") advice += ", or install Debian's package dataset-fashion-mnist";
  throw Error(text(folder, ": holds neither ", name, " nor ", name, ".gz; ", advice));
}

}  // namespace

ImageSet readIdx(const std::string& imagesPath, const std::string& labelsPath, int64_t classCount) {
  ImageSet set;
  IdxFile images(imagesPath, 3);
  set.pixels = images.values();
  set.count = images.dims()[0];
  set.channels = 1;
  set.height = images.dims()[1];
  set.width = images.dims()[2];
  if (set.count == 0 || set.imageSize() == 0)
    throw Error(text(imagesPath, ": found ", set.count, " images of ", set.height, "x", set.width,
                     ", expected at least one"));
  IdxFile labels(labelsPath, 1);
  set.labels = labels.values();
  if (labels.dims()[0] != set.count)
    throw Error(text(labelsPath, ": found ", labels.dims()[0], " labels, expected ", set.count, " as ",
                     imagesPath, " has images"));
  for (size_t i = 0; i < set.labels.size(); ++i)
    if (set.labels[i] >= classCount)
      throw Error(text(labelsPath, ": found label ", int{set.labels[i]}, " at item ", i, ", expected 0 to ",
                       classCount - 1));
  return set;
}

ImageSet readIdxFolder(const std::string& folder, const std::string& dataName, Split split,
                       int64_t classCount) {
  const std::string prefix = split == Split::train ? "train" : "t10k";
  const std::string images = findFile(folder, dataName, prefix + "-images-idx3-ubyte");
  const std::string labels = findFile(folder, dataName, prefix + "-labels-idx1-ubyte");
  return readIdx(images, labels, classCount);
}

}  // namespace rdi::train
