// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "display.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <opencv2/highgui.hpp>
#include <opencv2/videoio.hpp>
#include <regex>
#include <stdexcept>

#include "contact_sheet.hpp"

namespace {

class WindowSink : public FrameSink {
public:
  explicit WindowSink(const std::string& title) : title_(title) {
    cv::namedWindow(title_, cv::WINDOW_AUTOSIZE);
  }

  bool show(const cv::Mat& frame) override {
    cv::imshow(title_, frame);
    const int key = cv::waitKey(1);
    return key != 27 && key != 'q' && cv::getWindowProperty(title_, cv::WND_PROP_VISIBLE) >= 1;
  }

private:
  std::string title_;
};

class VideoSink : public FrameSink {
public:
  VideoSink(const std::string& path, int codec, double framesPerSecond, cv::Size size) {
    if (!writer_.open(path, codec, framesPerSecond, size)) {
      throw std::runtime_error(path + ": cannot be written as a video; is the folder there and writable?");
    }
  }

  bool show(const cv::Mat& frame) override {
    writer_.write(frame);
    return true;
  }

private:
  cv::VideoWriter writer_;
};

class PictureSink : public FrameSink {
public:
  explicit PictureSink(const std::string& pattern) : pattern_(pattern) {}

  bool show(const cv::Mat& frame) override {
    writePicture(cv::format(pattern_.c_str(), number_++), frame);
    return true;
  }

private:
  std::string pattern_;
  int number_ = 0;
};

}  // namespace

bool haveDisplay() {
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    try {
      cv::namedWindow("probe");
    } catch (const cv::Exception&) {
      _exit(1);
    }
    _exit(0);
  }
  int status = 1;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

cv::Ptr<FrameSink> windowSink(const std::string& title) { return cv::makePtr<WindowSink>(title); }

cv::Ptr<FrameSink> fileSink(const std::string& path, double framesPerSecond, cv::Size size) {
  if (path.find('%') != std::string::npos) {
    // The pattern goes to a printf function: exactly one %d or %04d and nothing else.
    static const std::regex kOneNumber("[^%]*%(0[0-9])?d[^%]*");
    if (!std::regex_match(path, kOneNumber)) {
      throw std::runtime_error(path + ": expected one number in the pattern, such as frame-%04d.png");
    }
    return cv::makePtr<PictureSink>(path);
  }
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".avi") {
    return cv::makePtr<VideoSink>(path, cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), framesPerSecond, size);
  }
  if (extension == ".mp4" || extension == ".mkv") {
    return cv::makePtr<VideoSink>(path, cv::VideoWriter::fourcc('m', 'p', '4', 'v'), framesPerSecond, size);
  }
  throw std::runtime_error(
      path + ": expected a video (.avi, .mp4, .mkv) or a picture pattern such as frame-%04d.png");
}
