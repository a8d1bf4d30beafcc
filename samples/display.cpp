// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "display.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <filesystem>
#include <opencv2/highgui.hpp>
#include <opencv2/videoio.hpp>
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

/// The pattern goes to a printf function: exactly one %d, or %04d with any digit, and nothing else.
bool holdsOneNumber(const std::string& pattern) {
  const size_t percent = pattern.find('%');
  if (pattern.find('%', percent + 1) != std::string::npos) return false;
  const std::string rest = pattern.substr(percent + 1, 3);
  return rest.substr(0, 1) == "d" ||
         (rest.size() == 3 && rest[0] == '0' && std::isdigit(rest[1]) && rest[2] == 'd');
}

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
    if (!holdsOneNumber(path)) {
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
