// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "trainer/picture.hpp"

namespace rdi::train {
namespace {

constexpr int64_t kPicturesAtATime = 256;  // between two reports of progress

// Decoders fill what a JPEG or PNG file lacks with grey or print a line of their own.
void refuseCutShort(const std::string& path, const std::string& bytes) {
  const struct { std::string start, end; } formats[] = {{"\xff\xd8\xff", "\xff\xd9"}, {"\x89PNG", "IEND"}};
  for (const auto& format : formats)
    if (bytes.compare(0, format.start.size(), format.start) == 0 &&
        bytes.rfind(format.end) == std::string::npos)
      throw Error(text(path, ": the picture is cut short; replace or remove the file"));
}

cv::Mat decode(const std::string& path) {
  const std::string bytes = graph::readFile(path);
  refuseCutShort(path, bytes);
  cv::Mat picture;
  std::string problem = "damaged, or no picture that OpenCV reads";
  try {
    if (!bytes.empty())
      picture =
          cv::imdecode(cv::Mat(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data())),
                       cv::IMREAD_COLOR);
  } catch (const cv::Exception& error) {
    problem = onOneLine(error.what());
  }
  if (picture.empty()) throw Error(text(path, ": ", problem, "; replace or remove the file"));
  return picture;
}

// What cv::dnn::blobFromImage does with 8-bit pictures, but for the last step to float32.
void readPicture(const std::string& path, const std::vector<int64_t>& shape, uint8_t* pixels) {
  const auto channels = static_cast<int>(shape[0]);
  const cv::Size size(static_cast<int>(shape[2]), static_cast<int>(shape[1]));
  cv::Mat picture = decode(path);
  if (channels == 1) cv::cvtColor(picture, picture, cv::COLOR_BGR2GRAY);
  if (picture.size() != size) cv::resize(picture, picture, size, 0, 0, cv::INTER_LINEAR);
  for (int c = 0; c < channels; ++c)
    cv::extractChannel(picture, cv::Mat(size, CV_8U, pixels + c * size.area()), channels - 1 - c);
}

}  // namespace

void readPictures(const std::vector<std::string>& paths, const std::vector<int64_t>& shape, uint8_t* pixels,
                  const LoadProgress& progress) {
  const auto count = static_cast<int64_t>(paths.size());
  const int64_t pictureSize = shape[0] * shape[1] * shape[2];
  for (int64_t first = 0; first < count; first += kPicturesAtATime) {
    const int64_t end = std::min(count, first + kPicturesAtATime);
    std::vector<std::string> problems(static_cast<size_t>(end - first));
    cv::parallel_for_(cv::Range(0, static_cast<int>(end - first)), [&](const cv::Range& range) {
      for (int i = range.start; i < range.end; ++i) {
        try {
          readPicture(paths[static_cast<size_t>(first + i)], shape, pixels + (first + i) * pictureSize);
        } catch (const std::exception& error) {
          problems[static_cast<size_t>(i)] = error.what();
        }
      }
    });
    for (const std::string& problem : problems)
      if (!problem.empty()) throw Error(problem);
    if (progress) progress(end, count);
  }
}

}  // namespace rdi::train
