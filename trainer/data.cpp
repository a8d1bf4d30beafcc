// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// An idx file, big endian:
//   00 00 08 03                images: unsigned bytes in three dimensions (08 01 for labels)
//   00 00 ea 60                60000 items
//   00 00 00 1c  00 00 00 1c   rows and columns (images only)
//   ...                        the values, row by row

#include "trainer/data.hpp"

#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

constexpr const char* kFashionFolder = "/usr/share/datasets/fashion-mnist";

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

std::string findFile(const DataSource& source, const std::string& name) {
  for (const std::string& candidate : {name, name + ".gz"}) {
    const std::filesystem::path path = std::filesystem::path(source.folder) / candidate;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path, ignored)) return path.string();
  }
  std::string advice =
      text("give the folder that holds the ", source.name, " files, as ", source.name, ":FOLDER");
  if (source.name == "fashion-mnist") advice += ", or install Debian's package dataset-fashion-mnist";
  throw Error(text(source.folder, ": holds neither ", name, " nor ", name, ".gz; ", advice));
}

}  // namespace

ImageSet ImageSet::slice(int64_t first, int64_t number) const {
  ImageSet part;
  part.count = number;
  part.channels = channels;
  part.height = height;
  part.width = width;
  part.pixels.assign(pixels.begin() + first * imageSize(), pixels.begin() + (first + number) * imageSize());
  part.labels.assign(labels.begin() + first, labels.begin() + first + number);
  return part;
}

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

ImageSet DataSource::load(Split split) const {
  const std::string prefix = split == Split::train ? "train" : "t10k";
  const std::string images = findFile(*this, prefix + "-images-idx3-ubyte");
  const std::string labels = findFile(*this, prefix + "-labels-idx1-ubyte");
  return readIdx(images, labels, static_cast<int64_t>(classNames.size()));
}

DataSource dataSource(const std::string& specification) {
  const size_t colon = specification.find(':');
  DataSource source;
  source.name = specification.substr(0, colon);
  if (colon != std::string::npos) source.folder = specification.substr(colon + 1);
  if (source.name == "mnist") {
    source.classNames = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  } else if (source.name == "fashion-mnist") {
    source.classNames = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                         "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    if (colon == std::string::npos) source.folder = kFashionFolder;
  } else {
    throw Error(text("data set \"", source.name,
                     "\" is not known; known are mnist:FOLDER and fashion-mnist[:FOLDER]"));
  }
  if (source.folder.empty())
    throw Error(text("data set \"", specification, "\" names no folder; expected ", source.name, ":FOLDER"));
  return source;
}

ImageSet trainingPart(const ImageSet& images, int64_t heldOut) {
  if (heldOut < 0 || heldOut >= images.count)
    throw Error(text("found ", heldOut, " images to hold out of ", images.count, ", expected 0 to ",
                     images.count - 1));
  return images.slice(0, images.count - heldOut);
}

ImageSet heldOutPart(const ImageSet& images, int64_t heldOut) {
  if (heldOut < 1 || heldOut >= images.count)
    throw Error(text("found ", heldOut, " images to hold out of ", images.count, ", expected 1 to ",
                     images.count - 1));
  return images.slice(images.count - heldOut, heldOut);
}

}  // namespace rdi::train
