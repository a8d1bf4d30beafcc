// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

/// One classified picture on the sheet.
struct Tile {
  cv::Mat image;      // 8-bit, grey or BGR
  std::string label;  // the class that the net answered
  float confidence = 0;
  int exit = 0;
  std::string truth;  // the right class where it is known and the answer is wrong; else empty
};

struct SheetOptions {
  std::string title;
  std::string subtitle;
  std::vector<std::string> exitNames;
  int columns = 10;
};

/// A picture that shows every tile with class, confidence and exit, framed in the exit's colour; wrong ones
/// are marked in red with the right class. Expects at least one tile.
cv::Mat contactSheet(const std::vector<Tile>& tiles, const SheetOptions& options);

/// Writes a picture; throws std::runtime_error naming the file when that fails.
void writePicture(const std::string& path, const cv::Mat& picture);
