// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Classifies a camera's or a video's frames; draws class, confidence, the exit taken and what the exits saved
// so far.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <opencv2/core/utility.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "arguments.hpp"
#include "classifier.hpp"
#include "display.hpp"
#include "drawing.hpp"

namespace {

constexpr char kUsage[] =
    "MODEL [--source N|VIDEO] [--output OUT.avi|frame-%04d.png] [--frames N] [--operating-point NAME]\n"
    "  MODEL     early-exit ONNX file\n"
    "  --source  camera number (default 0) or a video file\n"
    "  --output  writes the frames there instead of showing a window\n"
    "  --frames  stops after N frames\n"
    "  --operating-point  the exit rule of this name in MODEL, e.g. careful\n"
    "In the window, q or Esc stops.\n";

constexpr int kLowestWidth = 640;  // narrower frames are enlarged, so that the text fits

/// What the overlay says besides the answer.
struct Status {
  double framesPerSecond = 0;
  double saving = 0;
};

bool isNumber(const std::string& text) {
  return !text.empty() && text.size() < 4 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

cv::VideoCapture openSource(const std::string& source) {
  const bool isCamera = isNumber(source);
  if (!isCamera && source.find('%') == std::string::npos && !std::filesystem::is_regular_file(source)) {
    throw std::runtime_error(source + ": there is no such video file");
  }
  cv::VideoCapture capture;
  const bool opened = isCamera ? capture.open(std::stoi(source)) : capture.open(source);
  if (!opened) {
    throw std::runtime_error(isCamera ? "camera " + source + " cannot be opened; is it plugged in and free?"
                                      : source + ": not a video that OpenCV can read");
  }
  return capture;
}

/// The largest region in the middle with the shape of the model's input, so that nothing is distorted.
cv::Rect middleRegion(cv::Size frame, cv::Size model) {
  const double scale = std::min(static_cast<double>(frame.width) / model.width,
                                static_cast<double>(frame.height) / model.height);
  const cv::Size region(std::max(1, cvFloor(model.width * scale)),
                        std::max(1, cvFloor(model.height * scale)));
  return {(frame.width - region.width) / 2, (frame.height - region.height) / 2, region.width, region.height};
}

void drawCorners(cv::Mat& frame, const cv::Rect& region, const cv::Scalar& colour) {
  const int arm = region.height / 10, inset = 6;
  for (const int x : {region.x + inset, region.br().x - inset}) {
    for (const int y : {region.y + inset, region.br().y - inset}) {
      const int dx = x < region.x + region.width / 2 ? arm : -arm,
                dy = y < region.y + region.height / 2 ? arm : -arm;
      cv::line(frame, {x, y}, {x + dx, y}, colour, 3, cv::LINE_AA);
      cv::line(frame, {x, y}, {x, y + dy}, colour, 3, cv::LINE_AA);
    }
  }
}

/// The exits as a row of boxes; those passed are filled, the one taken carries its name.
void drawExits(cv::Mat& frame, const Answer& answer, const std::vector<rdi::ExitInfo>& exits, cv::Rect row) {
  const int count = static_cast<int>(exits.size()), gap = 6;
  const int width = (row.width - gap * (count - 1)) / count;
  for (int exit = 0; exit < count; ++exit) {
    const cv::Rect box(row.x + exit * (width + gap), row.y, width, row.height);
    const cv::Scalar colour = look::exitColour(answer.exit, count);
    look::roundedBox(frame, box, 5, exit <= answer.exit ? colour : look::kPanel);
    if (exit != answer.exit) continue;
    const std::string& name = exits[exit].name;
    const int height = look::textWidth(name, 10) < width ? 10 : 8;
    const int textX = box.x + std::max(2, (width - look::textWidth(name, height)) / 2);
    look::text(frame, name, {textX, box.y + (box.height + height) / 2}, height, look::kBackground, width - 2);
  }
}

/// The frame with a bar below it that says what the net answered.
cv::Mat withOverlay(const cv::Mat& frame, const Answer& answer, const Classifier& classifier,
                    const Status& status) {
  cv::Mat view;
  const double scale = std::max(1.0, static_cast<double>(kLowestWidth) / frame.cols);
  cv::resize(frame, view, {}, scale, scale, cv::INTER_CUBIC);
  const cv::Scalar colour = look::exitColour(answer.exit, static_cast<int>(classifier.exits().size()));
  drawCorners(view, middleRegion(view.size(), classifier.info().size), colour);

  // An even height: some video codecs take no other.
  const int top = view.rows, barHeight = 84 + view.rows % 2, margin = 18;
  cv::copyMakeBorder(view, view, 0, barHeight, 0, view.cols % 2, cv::BORDER_CONSTANT, look::kBackground);
  const int half = view.cols / 2 - 2 * margin, left = margin, right = view.cols / 2 + margin;

  const std::string confidence = percent(answer.confidence);
  const int confidenceWidth = look::textWidth(confidence, 14);
  look::text(view, classifier.className(answer.classId), {left, top + 36}, 20, look::kText,
             half - confidenceWidth - 10, true);
  look::text(view, confidence, {left + half - confidenceWidth, top + 36}, 14, look::kText);
  const cv::Rect track(left, top + 54, half, 11);
  look::roundedBox(view, track, 5, look::kPanel);
  look::roundedBox(
      view,
      {track.x, track.y, std::max(track.height, cvRound(track.width * answer.confidence)), track.height}, 5,
      colour);

  drawExits(view, answer, classifier.exits(), {right, top + 15, half, 24});
  look::text(view, "saved so far " + percent(status.saving), {right, top + 65}, 12, look::kText);
  const std::string rate = cv::format("%.0f fps", status.framesPerSecond);
  look::text(view, rate, {right + half - look::textWidth(rate, 12), top + 65}, 12, look::kFaintText);
  return view;
}

int run(int argc, char** argv) {
  const Arguments arguments(argc, argv, {"source", "output", "frames", "operating-point"});
  if (arguments.words().size() != 1) throw WrongUsage("expected exactly one model");
  // ffmpeg reports on its own what it tries.
  setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", /*overwrite=*/0);
  const std::string source = arguments.get("source", "0"), output = arguments.get("output");
  const int lastFrame = arguments.number("frames", 0, 1);
  if (output.empty() && !haveDisplay()) {
    throw std::runtime_error(
        "there is no display to open a window on; use --output OUT.avi or --output frame-%04d.png");
  }

  Classifier classifier(arguments.words()[0], arguments.get("operating-point"));
  cv::VideoCapture capture = openSource(source);
  const double sourceRate = capture.get(cv::CAP_PROP_FPS);
  cv::Ptr<FrameSink> sink;
  Status status;
  int frames = 0;
  cv::Mat frame;
  cv::TickMeter sinceLastFrame;
  sinceLastFrame.start();
  bool ended = false;
  while ((lastFrame == 0 || frames < lastFrame) && !(ended = !capture.read(frame) || frame.empty())) {
    const cv::Rect region = middleRegion(frame.size(), classifier.info().size);
    const Answer answer = classifier.classify(frame(region));
    ++frames;

    sinceLastFrame.stop();
    const double rate = 1 / std::max(1e-6, sinceLastFrame.getTimeSec());
    status.framesPerSecond = frames < 3 ? rate : 0.9 * status.framesPerSecond + 0.1 * rate;
    status.saving = classifier.runningSaving();
    sinceLastFrame.reset();
    sinceLastFrame.start();

    const cv::Mat view = withOverlay(frame, answer, classifier, status);
    if (!sink) {
      const double viewRate = sourceRate > 0 && sourceRate < 1000 ? sourceRate : 25;
      sink = output.empty() ? windowSink("rdi") : fileSink(output, viewRate, view.size());
    }
    if (!sink->show(view)) break;
  }

  const bool isCamera = isNumber(source);
  if (frames == 0) {
    throw std::runtime_error((isCamera ? "camera " + source : source) + ": gave no frame");
  }
  std::printf("%d frames, computation saved: %s%s\n", frames, percent(status.saving).c_str(),
              output.empty() ? "" : (", written to " + output).c_str());
  if (ended && isCamera) {
    throw std::runtime_error("camera " + source + " stopped after " + std::to_string(frames) +
                             " frames; was it unplugged?");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return runSample(argc, argv, kUsage, [&] { return run(argc, argv); });
}
