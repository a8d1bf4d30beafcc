// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "contact_sheet.hpp"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>

#include "drawing.hpp"

namespace {

// Lengths in pixels.
constexpr int kTile = 168, kGap = 16, kMargin = 40, kHeader = 150, kImage = 144, kCaption = 66;

cv::Mat fitted(const cv::Mat& image) {
  const double scale = static_cast<double>(kImage) / std::max(image.cols, image.rows);
  cv::Mat colour, resized, square(kImage, kImage, CV_8UC3, cv::Scalar::all(0));
  if (image.channels() == 1) {
    cv::cvtColor(image, colour, cv::COLOR_GRAY2BGR);
  } else {
    colour = image;
  }
  const cv::Size size(std::max(1, cvRound(image.cols * scale)), std::max(1, cvRound(image.rows * scale)));
  cv::resize(colour, resized, size, 0, 0, scale > 1 ? cv::INTER_CUBIC : cv::INTER_AREA);
  resized.copyTo(
      square(cv::Rect((kImage - size.width) / 2, (kImage - size.height) / 2, size.width, size.height)));
  return square;
}

void drawTile(cv::Mat& sheet, const Tile& tile, cv::Point corner, const std::vector<std::string>& exitNames) {
  const bool wrong = !tile.truth.empty();
  const cv::Scalar exitColour = look::exitColour(tile.exit, static_cast<int>(exitNames.size()));
  const int inset = (kTile - kImage) / 2;
  if (wrong) {
    look::roundedBox(sheet, {corner.x - 3, corner.y - 3, kTile + 6, kTile + kCaption + 6}, 13, look::kWrong);
  }
  look::roundedBox(sheet, {corner.x, corner.y, kTile, kTile + kCaption}, 10, look::kPanel);
  fitted(tile.image).copyTo(sheet(cv::Rect(corner.x + inset, corner.y + inset, kImage, kImage)));
  cv::rectangle(sheet, {corner.x + inset, corner.y + inset + kImage, kImage, 5}, exitColour, cv::FILLED);

  const int x = corner.x + inset, y = corner.y + kTile + 16;
  look::text(sheet, tile.label, {x, y}, 13, wrong ? look::kWrong : look::kText, kImage);
  if (wrong) look::text(sheet, "is " + tile.truth, {x, y + 22}, 11, look::kText, kImage);
  const std::string confidence = percent(tile.confidence, 0);
  look::text(sheet, exitNames[tile.exit], {x, y + 42}, 10, exitColour);
  look::text(sheet, confidence, {x + kImage - look::textWidth(confidence, 10), y + 42}, 10, look::kFaintText);
}

void drawHeader(cv::Mat& sheet, const SheetOptions& options) {
  look::text(sheet, options.title, {kMargin, 62}, 22, look::kText, sheet.cols - 2 * kMargin, true);
  look::text(sheet, options.subtitle, {kMargin, 96}, 13, look::kFaintText, sheet.cols - 2 * kMargin);
  int x = kMargin;
  const int exitCount = static_cast<int>(options.exitNames.size());
  for (int exit = 0; exit < exitCount; ++exit) {
    look::roundedBox(sheet, {x, 116, 22, 12}, 4, look::exitColour(exit, exitCount));
    x += 30;
    x += look::text(sheet, options.exitNames[exit], {x, 128}, 12, look::kFaintText) + 28;
  }
  look::roundedBox(sheet, {x, 116, 22, 12}, 4, look::kWrong);
  look::text(sheet, "wrong answer", {x + 30, 128}, 12, look::kFaintText);
}

}  // namespace

cv::Mat contactSheet(const std::vector<Tile>& tiles, const SheetOptions& options) {
  const int columns =
      std::max(4, std::min(options.columns, static_cast<int>(tiles.size())));  // the header needs room
  const int rows = (static_cast<int>(tiles.size()) + columns - 1) / columns;
  const int tileHeight = kTile + kCaption;
  cv::Mat sheet(kHeader + rows * (tileHeight + kGap) - kGap + kMargin,
                2 * kMargin + columns * (kTile + kGap) - kGap, CV_8UC3, look::kBackground);
  drawHeader(sheet, options);
  for (size_t i = 0; i < tiles.size(); ++i) {
    const int column = static_cast<int>(i) % columns, row = static_cast<int>(i) / columns;
    drawTile(sheet, tiles[i], {kMargin + column * (kTile + kGap), kHeader + row * (tileHeight + kGap)},
             options.exitNames);
  }
  return sheet;
}

void writePicture(const std::string& path, const cv::Mat& picture) {
  bool written = false;
  std::string reason = "is the folder there and writable?";
  try {
    written = cv::imwrite(path, picture);
  } catch (const cv::Exception& error) {
    reason = error.err;  // for example an extension that OpenCV does not know
  }
  if (!written) throw std::runtime_error(path + ": cannot be written (" + reason + ")");
}
