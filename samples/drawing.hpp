// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/core.hpp>
#include <string>

/// What the samples draw with: one look for the contact sheet and the camera.
namespace look {

inline const cv::Scalar kBackground(31, 27, 24);  // all colours are BGR
inline const cv::Scalar kPanel(52, 46, 42);
inline const cv::Scalar kText(240, 238, 236);
inline const cv::Scalar kFaintText(165, 158, 152);
inline const cv::Scalar kWrong(86, 82, 240);

/// Colour of an exit: green for the first, through yellow, to violet for the main one.
cv::Scalar exitColour(int exit, int exitCount);

/// Text whose capital letters are `height` pixels high, its baseline's left end at `origin`; cut with ".."
/// where it is wider than `maxWidth` (0: no limit). Returns its width in pixels.
int text(cv::Mat& image, const std::string& words, cv::Point origin, int height, const cv::Scalar& colour,
         int maxWidth = 0, bool bold = false);

int textWidth(const std::string& words, int height, bool bold = false);

/// Filled rectangle with rounded corners.
void roundedBox(cv::Mat& image, const cv::Rect& box, int radius, const cv::Scalar& colour);

}  // namespace look

/// "98.2 %" of a share between 0 and 1.
std::string percent(double share, int decimals = 1);
