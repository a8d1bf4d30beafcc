// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "drawing.hpp"

#include <algorithm>
#include <iomanip>
#include <opencv2/imgproc.hpp>
#include <sstream>

namespace {

constexpr int kFont = cv::FONT_HERSHEY_DUPLEX;

double fontScale(int height) {
  return height / 21.0;
}  // capital letters of this font are 21 pixels high at scale 1

int thickness(int height, bool bold) { return std::max(1, height / 16 + (bold ? 1 : 0)); }

}  // namespace

namespace look {

cv::Scalar exitColour(int exit, int exitCount) {
  const cv::Scalar stops[] = {{133, 201, 82}, {74, 190, 242}, {224, 128, 160}};
  const double position = exitCount < 2 ? 0 : 2.0 * exit / (exitCount - 1);
  const int low = std::min(1, static_cast<int>(position));
  const double part = position - low;
  return stops[low] * (1 - part) + stops[low + 1] * part;
}

int textWidth(const std::string& words, int height, bool bold) {
  int baseline = 0;
  return cv::getTextSize(words, kFont, fontScale(height), thickness(height, bold), &baseline).width;
}

int text(cv::Mat& image, const std::string& words, cv::Point origin, int height, const cv::Scalar& colour,
         int maxWidth, bool bold) {
  std::string shown = words;
  for (size_t length = words.size();
       maxWidth > 0 && length > 1 && textWidth(shown, height, bold) > maxWidth;) {
    shown = words.substr(0, --length) + "..";
  }
  cv::putText(image, shown, origin, kFont, fontScale(height), colour, thickness(height, bold), cv::LINE_AA);
  return textWidth(shown, height, bold);
}

void roundedBox(cv::Mat& image, const cv::Rect& box, int radius, const cv::Scalar& colour) {
  const int r = std::min({radius, (box.width - 1) / 2, (box.height - 1) / 2});
  cv::rectangle(image, {box.x + r, box.y}, {box.br().x - r - 1, box.br().y - 1}, colour, cv::FILLED);
  cv::rectangle(image, {box.x, box.y + r}, {box.br().x - 1, box.br().y - r - 1}, colour, cv::FILLED);
  for (const int x : {box.x + r, box.br().x - r - 1}) {
    for (const int y : {box.y + r, box.br().y - r - 1})
      cv::circle(image, {x, y}, r, colour, cv::FILLED, cv::LINE_AA);
  }
}

}  // namespace look

std::string percent(double share, int decimals) {
  std::ostringstream stream;
  stream << std::fixed << std::setprecision(decimals) << 100 * share << " %";
  return stream.str();
}
