// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace rdi::train {

/// Where a training stands; means since the last line of metrics.jsonl.
struct TrainProgress {
  int64_t iteration = 0, iterations = 0;
  double loss = 0;
  std::vector<double> cleanAccuracy;   // of each exit on the training batches; empty when not computed
  std::vector<double> robustAccuracy;  // the same, attacked
  double epsilon = 0, learningRate = 0;
  double imagesPerSecond = 0, secondsLeft = 0;
  bool logged = false;  // this state became a line of metrics.jsonl
};

/// Accuracy of each exit on held-out images.
struct Validation {
  int64_t iteration = 0, images = 0;
  std::vector<double> clean, attacked;  // attacked: empty where the training attacks nothing
  bool isBest = false;                  // the highest keptBy so far
};

/// What the best weights are kept by: the mean over the exits of the accuracy under attack, of the clean one
/// where nothing was attacked.
double keptBy(const Validation& validation);

/// As objects in metrics.jsonl; `seconds` trained so far.
nlohmann::json toJson(const TrainProgress& progress, double seconds);
nlohmann::json toJson(const Validation& validation);

/// metrics.jsonl: one JSON object a line, each with the iteration it speaks of.
class MetricsFile {
public:
  explicit MetricsFile(const std::string& path) : path_(path) {}

  /// Throws rdi::Error when it cannot be written.
  void append(const nlohmann::json& line) const;

  /// Lines in their order; what a dying program cut short is left out.
  std::vector<nlohmann::json> lines() const;

  /// Forgets lines of later iterations: a run that died may have logged beyond its last checkpoint.
  void keepUpTo(int64_t iteration) const;

  void remove() const;

private:
  std::string path_;
};

}  // namespace rdi::train
