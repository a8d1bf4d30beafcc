// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "classifier.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <stdexcept>

cv::dnn::Net loadNet(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) throw std::runtime_error(path + ": there is no such file");
  try {
    return cv::dnn::readNet(path);
  } catch (const cv::Exception& error) {
    throw std::runtime_error(path + ": cannot be loaded as a network: " + error.err);
  }
}

Answer readScores(const float* scores, int classCount) {
  const float* end = scores + classCount;
  const float* best = std::max_element(scores, end);
  const float sum = std::accumulate(scores, end, 0.f);
  const bool areProbabilities =
      std::abs(sum - 1) < 1e-3f && std::all_of(scores, end, [](float p) { return p >= 0; });

  Answer answer;
  answer.classId = static_cast<int>(best - scores);
  answer.confidence = *best;
  if (!areProbabilities) {
    float softmaxSum = 0;
    for (const float* score = scores; score != end; ++score) softmaxSum += std::exp(*score - *best);
    answer.confidence = 1 / softmaxSum;
  }
  return answer;
}

Classifier::Classifier(const std::string& modelPath, const std::string& operatingPoint)
    : net_(loadNet(modelPath)) {
  try {
    info_ = rdi::readModelInfo(modelPath);
    exits_ = rdi::exits(net_);
  } catch (const cv::Exception& error) {
    throw std::runtime_error(modelPath + ": not an early-exit net (" + error.err +
                             "); make one with rdi-convert");
  }
  if (operatingPoint.empty()) return;
  try {
    rdi::setOperatingPoint(net_, operatingPoint);
  } catch (const cv::Exception& error) {
    throw std::runtime_error(modelPath + ": " + error.err);
  }
}

Answer Classifier::classify(const cv::Mat& image) {
  net_.setInput(rdi::blobFromImage(image, info_));
  const cv::Mat scores = net_.forward();
  Answer answer = readScores(scores.ptr<float>(), scores.cols);
  answer.exit = rdi::lastExits(net_).at(0);
  costSum_ += cost(answer);
  ++answers_;
  return answer;
}

int Classifier::classCount() {
  net_.setInput(rdi::blobFromImage(cv::Mat::zeros(info_.size, CV_8UC1), info_));
  return net_.forward().cols;
}

std::string Classifier::className(int classId) const {
  if (classId < static_cast<int>(info_.classNames.size())) return info_.classNames[classId];
  return std::to_string(classId);
}

double Classifier::cost(const Answer& answer) const {
  return exits_.at(answer.exit).paidMacs / exits_.back().ownMacs;
}

double Classifier::runningSaving() const { return answers_ ? 1 - costSum_ / answers_ : 0; }
