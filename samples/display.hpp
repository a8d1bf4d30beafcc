// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <opencv2/core.hpp>
#include <string>

/// True when a window can be opened. Asks in a child process, since some window systems end the program
/// instead of reporting that there is no display; call it before anything starts threads.
bool haveDisplay();

/// Where frames go: a window, a video file or numbered pictures.
class FrameSink {
public:
  virtual ~FrameSink() = default;
  /// False when the user asked to stop.
  virtual bool show(const cv::Mat& frame) = 0;
};

/// A window; Esc, q or closing it stops.
cv::Ptr<FrameSink> windowSink(const std::string& title);

/// OUT.avi, OUT.mp4 or OUT.mkv: a video; a name with % (frame-%04d.png): numbered pictures. Throws
/// std::runtime_error naming the file when it cannot be written or is neither.
cv::Ptr<FrameSink> fileSink(const std::string& path, double framesPerSecond, cv::Size size);
