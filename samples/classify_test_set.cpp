// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Runs an early-exit net over a labelled test set in MNIST's idx format, and against the static net in
// OpenCV's own engine: accuracy, what leaves at each exit, cost and time per picture.

#include <algorithm>
#include <cstdio>
#include <limits>
#include <opencv2/core/utility.hpp>
#include <stdexcept>

#include "arguments.hpp"
#include "classifier.hpp"
#include "contact_sheet.hpp"
#include "drawing.hpp"
#include "idx_file.hpp"

namespace {

constexpr char kUsage[] =
    "MODEL --images IDX --labels IDX [--static STATIC] [--sheet OUT.png] [--limit N] [--threads N] "
    "[--operating-point NAME]\n"
    "  MODEL      early-exit ONNX file\n"
    "  --images, --labels  unpacked idx files\n"
    "  --static   single-exit ONNX of the same net, timed in OpenCV's own engine beside MODEL\n"
    "  --sheet    draws the first 60 pictures with class and exit\n"
    "  --limit    only the first N pictures\n"
    "  --threads  threads for both engines (OpenCV's default)\n"
    "  --operating-point  the exit rule of this name in MODEL, e.g. careful\n";

constexpr int kSheetPictures = 60;
constexpr int kBlock = 100;  // pictures timed in one go

struct ExitCount {
  int taken = 0, right = 0;
};

double share(int part, int whole) { return whole ? static_cast<double>(part) / whole : 0; }

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

/// Milliseconds per picture of setInput and forward over the blobs [begin, end).
double timePerPicture(cv::dnn::Net& net, const std::vector<cv::Mat>& blobs, size_t begin, size_t end) {
  cv::TickMeter meter;
  meter.start();
  for (size_t i = begin; i < end; ++i) {
    net.setInput(blobs[i]);
    net.forward();
  }
  meter.stop();
  return meter.getTimeMilli() / static_cast<double>(end - begin);
}

/// All nets take turns on the same blocks of pictures, so that whatever disturbs the machine disturbs all of
/// them.
void compareTimes(const std::string& earlyExitPath, const std::string& operatingPoint,
                  const std::string& staticPath, const std::vector<cv::Mat>& blobs) {
  struct Candidate {
    std::string name;
    cv::dnn::Net net;
    std::vector<double> times;
  };
  std::vector<Candidate> candidates = {{"early exit", loadNet(earlyExitPath), {}},
                                       {"its exits switched off", loadNet(earlyExitPath), {}},
                                       {"static net, OpenCV", loadNet(staticPath), {}}};
  if (!operatingPoint.empty()) rdi::setOperatingPoint(candidates[0].net, operatingPoint);
  const size_t exitCount = rdi::exits(candidates[1].net).size();
  rdi::setThresholds(candidates[1].net,
                     std::vector<float>(exitCount - 1, -std::numeric_limits<float>::infinity()));
  candidates[2].net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);

  for (Candidate& candidate : candidates)
    timePerPicture(candidate.net, blobs, 0, std::min<size_t>(blobs.size(), kBlock));
  for (size_t begin = 0; begin < blobs.size(); begin += kBlock) {
    for (Candidate& candidate : candidates) {
      candidate.times.push_back(
          timePerPicture(candidate.net, blobs, begin, std::min(blobs.size(), begin + kBlock)));
    }
  }
  std::printf("\ntime per picture, batch 1, %d thread(s), medians of %zu interleaved blocks of %d pictures\n",
              cv::getNumThreads(), candidates[0].times.size(), kBlock);
  const double fastest = median(candidates[0].times);
  for (const Candidate& candidate : candidates) {
    const double time = median(candidate.times);
    std::printf("  %-24s %8.4f ms   %5.2f times as long\n", candidate.name.c_str(), time, time / fastest);
  }
}

std::string text(cv::Size size) { return std::to_string(size.width) + " x " + std::to_string(size.height); }

/// Throws when the pictures or labels are not ones that the model was made for; an idx file holds pictures of
/// one size.
void requireFits(const IdxSet& set, Classifier& classifier, const std::string& imagesPath,
                 const std::string& labelsPath) {
  const cv::Size expected = classifier.info().size;
  if (set.images[0].size() != expected) {
    throw std::runtime_error(imagesPath + ": picture 0 has " + text(set.images[0].size()) +
                             " pixels, the model expects " + text(expected));
  }
  const int classCount = classifier.classCount();
  for (size_t i = 0; i < set.labels.size(); ++i) {
    if (set.labels[i] < classCount) continue;
    throw std::runtime_error(labelsPath + ": label " + std::to_string(i) + " is " +
                             std::to_string(set.labels[i]) + ", the model has only the classes 0 .. " +
                             std::to_string(classCount - 1));
  }
}

Tile tileOf(const cv::Mat& image, const Answer& answer, int label, const Classifier& classifier) {
  return {image, classifier.className(answer.classId), answer.confidence, answer.exit,
          answer.classId == label ? "" : classifier.className(label)};
}

void printExits(const std::vector<rdi::ExitInfo>& exits, const std::vector<ExitCount>& counts, int pictures) {
  std::printf("\n%-8s %10s %10s %16s\n", "exit", "share", "accuracy", "cost of leaving");
  for (size_t i = 0; i < exits.size(); ++i) {
    const std::string accuracy = counts[i].taken ? percent(share(counts[i].right, counts[i].taken), 2) : "-";
    std::printf("%-8s %10s %10s %16s\n", exits[i].name.c_str(),
                percent(share(counts[i].taken, pictures), 2).c_str(), accuracy.c_str(),
                percent(exits[i].paidMacs / exits.back().ownMacs).c_str());
  }
}

int run(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {"images", "labels", "static", "sheet", "limit", "threads", "operating-point"});
  if (arguments.words().size() != 1) throw WrongUsage("expected exactly one model");
  if (!arguments.has("images") || !arguments.has("labels"))
    throw WrongUsage("--images and --labels are needed");
  if (arguments.has("threads")) cv::setNumThreads(arguments.number("threads", 1, 1));
  const std::string modelPath = arguments.words()[0];

  Classifier classifier(modelPath, arguments.get("operating-point"));
  const IdxSet set = readIdxSet(arguments.get("images"), arguments.get("labels"));
  requireFits(set, classifier, arguments.get("images"), arguments.get("labels"));
  const int available = static_cast<int>(set.images.size());
  const int pictures = std::min(available, arguments.number("limit", available, 1));

  std::vector<ExitCount> counts(classifier.exits().size());
  std::vector<Tile> tiles;
  std::vector<cv::Mat> blobs;
  int right = 0;
  for (int i = 0; i < pictures; ++i) {
    const Answer answer = classifier.classify(set.images[i]);
    const bool isRight = answer.classId == set.labels[i];
    right += isRight;
    counts[answer.exit].right += isRight;
    ++counts[answer.exit].taken;
    if (i < kSheetPictures) tiles.push_back(tileOf(set.images[i], answer, set.labels[i], classifier));
    blobs.push_back(rdi::blobFromImage(set.images[i], classifier.info()));
  }

  std::printf("model     %s\npictures  %d\naccuracy  %s\n", modelPath.c_str(), pictures,
              percent(share(right, pictures), 2).c_str());
  printExits(classifier.exits(), counts, pictures);
  std::printf("\naverage cost, every head paid: %s of the static net's full pass (saving %s)\n",
              percent(1 - classifier.runningSaving()).c_str(), percent(classifier.runningSaving()).c_str());
  if (arguments.has("static"))
    compareTimes(modelPath, arguments.get("operating-point"), arguments.get("static"), blobs);

  if (arguments.has("sheet")) {
    SheetOptions options;
    options.title = "Each picture leaves at the first exit that is sure enough";
    options.subtitle = "accuracy " + percent(share(right, pictures), 2) + " and " +
                       percent(classifier.runningSaving()) + " less computation over " +
                       std::to_string(pictures) + " test pictures; the first " +
                       std::to_string(tiles.size()) + " are shown";
    for (const rdi::ExitInfo& exit : classifier.exits()) options.exitNames.push_back(exit.name);
    writePicture(arguments.get("sheet"), contactSheet(tiles, options));
    std::printf("\ncontact sheet: %s\n", arguments.get("sheet").c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return runSample(argc, argv, kUsage, [&] { return run(argc, argv); });
}
