// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/pictures.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <regex>

#include "graph/error.hpp"

namespace rdi::convert {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostPixels = int64_t{1} << 26;  // of one picture

struct GzClose {
  void operator()(gzFile file) const { gzclose(file); }
};

/// Bytes of a file, unpacked where it is packed with gzip.
class Stream {
public:
  explicit Stream(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) throw Error(text(path, ": cannot be opened for reading"));
  }

  const std::string& path() const { return path_; }

  std::vector<uint8_t> read(size_t count, const char* what) {
    std::vector<uint8_t> bytes(count);
    const int got = gzread(file_.get(), bytes.data(), static_cast<unsigned>(count));
    if (got < 0 || static_cast<size_t>(got) != count)
      throw Error(text(path_, ": ends or is damaged in ", what, ", after ", std::max(got, 0), " of ", count,
                       " bytes"));
    return bytes;
  }

  void skip(int64_t count) {
    if (gzseek(file_.get(), static_cast<z_off_t>(count), SEEK_CUR) < 0)
      throw Error(text(path_, ": ends or is damaged among the pictures"));
  }

private:
  std::string path_;
  std::unique_ptr<gzFile_s, GzClose> file_;
};

/// Where pictures lie in a file: `pictures` records of `before` bytes and a picture.
struct Format {
  int64_t pictures = 0, channels = 0, height = 0, width = 0;
  int64_t before = 0;
  bool isFloat = false;  // 0 .. 1, else bytes

  int64_t values() const { return channels * height * width; }
};

Format checked(const Format& format, const std::string& path) {
  const bool positive =
      format.pictures >= 1 && format.channels >= 1 && format.height >= 1 && format.width >= 1;
  if (!positive || format.channels > 4 || format.height > kMostPixels / format.width ||
      format.height * format.width > kMostPixels / format.channels)
    throw Error(text(path, ": found ", format.pictures, " pictures of ", format.channels, "x", format.height,
                     "x", format.width, ", expected at least one, of 1 to 4 channels"));
  return format;
}

Format readIdxHeader(Stream& stream) {
  const auto header = stream.read(16, "the header");
  const auto number = [&](size_t at) {
    return int64_t{header[at]} << 24 | header[at + 1] << 16 | header[at + 2] << 8 | header[at + 3];
  };
  if (number(0) != 0x0803)
    throw Error(text(stream.path(), ": found magic number ", number(0),
                     ", expected 2051 (an idx file of images); *.bin of CIFAR-10 and *.npy are read too"));
  return {number(4), 1, number(8), number(12), 0, false};
}

/// NumPy's format 1.0: magic number, length of the header, the header as a Python dictionary.
Format readNpyHeader(Stream& stream) {
  const auto start = stream.read(10, "the header");
  if (std::string(start.begin(), start.begin() + 8) != std::string("\x93NUMPY\x01\x00", 8))
    throw Error(text(stream.path(), ": is no array of NumPy's file format 1.0"));
  const auto bytes = stream.read(start[8] + (size_t{start[9]} << 8), "the header");
  const std::string header(bytes.begin(), bytes.end());
  static const std::regex kWanted(
      R"(\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d{1,9}), (\d{1,9}), (\d{1,9}), (\d{1,9})\), \}\s*)");
  std::smatch sizes;
  if (!std::regex_match(header, sizes, kWanted))
    throw Error(text(stream.path(), ": found ", header.substr(0, header.find('\n')),
                     ", expected float32 ('<f4') in C order with shape (N, C, H, W)"));
  const auto size = [&](size_t i) { return std::stoll(sizes[i].str()); };
  return {size(1), size(2), size(3), size(4), 0, true};
}

Format readCifar10Header(const std::string& path) {
  constexpr int64_t kRecord = 1 + 3 * 32 * 32;
  const auto size = static_cast<int64_t>(fs::file_size(path));
  if (size == 0 || size % kRecord != 0)
    throw Error(text(path, ": found ", size, " bytes, expected a multiple of ", kRecord,
                     " (CIFAR-10's binary version)"));
  return {size / kRecord, 3, 32, 32, 1, false};
}

bool endsWith(const std::string& word, const std::string& end) {
  return word.size() >= end.size() && word.compare(word.size() - end.size(), end.size(), end) == 0;
}

std::string fileOf(const std::string& specification) {
  constexpr const char* kNames[] = {"train-images-idx3-ubyte.gz", "train-images-idx3-ubyte",
                                    "data_batch_1.bin", "cifar-10-batches-bin/data_batch_1.bin"};
  std::string path = specification;
  static const std::regex kNamed("(mnist|fashion-mnist|cifar10):(.+)");
  std::smatch parts;
  if (std::regex_match(specification, parts, kNamed)) path = parts[2];
  if (specification == "fashion-mnist") path = "/usr/share/datasets/fashion-mnist";
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  for (const char* name : kNames)
    if (fs::is_regular_file(fs::path(path) / name, ignored)) return (fs::path(path) / name).string();
  throw Error(text(path, ": holds no training pictures, expected ", kNames[0], " or ", kNames[2],
                   "; give the file itself"));
}

}  // namespace

Pictures readPictures(const std::string& specification, size_t count) {
  const std::string path = fileOf(specification);
  Stream stream(path);
  const Format format = checked(endsWith(path, ".bin")   ? readCifar10Header(path)
                                : endsWith(path, ".npy") ? readNpyHeader(stream)
                                                         : readIdxHeader(stream),
                                path);
  Pictures result{format.channels, format.height, format.width, {}};
  const int64_t wanted = std::min(static_cast<int64_t>(count), format.pictures);
  const auto values = static_cast<size_t>(format.values());
  const int64_t record = format.before + format.values() * (format.isFloat ? 4 : 1);
  int64_t next = 0;
  for (int64_t i = 0; i < wanted; ++i) {
    const int64_t picture = i * format.pictures / wanted;
    stream.skip((picture - next) * record + format.before);
    next = picture + 1;
    const auto bytes = stream.read(values * (format.isFloat ? 4 : 1), "the pictures");
    std::vector<float> pixels(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(values));
    if (format.isFloat) {
      std::memcpy(pixels.data(), bytes.data(), bytes.size());
      for (float& value : pixels) value *= 255;
    }
    result.pixels.push_back(std::move(pixels));
  }
  return result;
}

std::vector<std::vector<float>> modelInputs(const Pictures& pictures,
                                            const graph::Preprocessing& preprocessing) {
  if (pictures.channels != preprocessing.channels || pictures.height != preprocessing.height ||
      pictures.width != preprocessing.width)
    throw Error(text("the pictures are ", pictures.channels, "x", pictures.height, "x", pictures.width,
                     ", the model wants ", preprocessing.channels, "x", preprocessing.height, "x",
                     preprocessing.width));
  const auto plane = static_cast<size_t>(pictures.height * pictures.width);
  const auto channels = static_cast<size_t>(pictures.channels);
  const bool blueFirst = channels == 3 && !preprocessing.swapRB;
  std::vector<std::vector<float>> inputs;
  for (const std::vector<float>& pixels : pictures.pixels) {
    std::vector<float> input;
    for (size_t channel = 0; channel < channels; ++channel) {
      const float* const from = pixels.data() + (blueFirst ? channels - 1 - channel : channel) * plane;
      const double mean = channel < preprocessing.mean.size() ? preprocessing.mean[channel] : 0;
      for (size_t i = 0; i < plane; ++i)
        input.push_back(static_cast<float>((from[i] - mean) * preprocessing.scale));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

}  // namespace rdi::convert
