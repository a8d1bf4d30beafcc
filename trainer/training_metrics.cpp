// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/training_metrics.hpp"

#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::train {

nlohmann::json toJson(const TrainProgress& progress, double seconds) {
  return {{"iteration", progress.iteration},
          {"loss", progress.loss},
          {"clean", progress.cleanAccuracy},
          {"robust", progress.robustAccuracy},
          {"epsilon", progress.epsilon},
          {"learning_rate", progress.learningRate},
          {"images_per_second", progress.imagesPerSecond},
          {"seconds", seconds}};
}

nlohmann::json toJson(const Validation& validation) {
  return {{"images", validation.images}, {"clean", validation.clean}, {"attacked", validation.attacked}};
}

double keptBy(const Validation& validation) {
  const std::vector<double>& accuracies =
      validation.attacked.empty() ? validation.clean : validation.attacked;
  const double sum = std::accumulate(accuracies.begin(), accuracies.end(), 0.0);
  return accuracies.empty() ? 0 : sum / static_cast<double>(accuracies.size());
}

void MetricsFile::append(const nlohmann::json& line) const {
  std::ofstream file(path_, std::ios::app);
  file << line.dump() << '\n' << std::flush;
  if (!file) throw Error(text(path_, ": cannot be written; is the disk full?"));
}

std::vector<nlohmann::json> MetricsFile::lines() const {
  std::vector<nlohmann::json> result;
  if (!std::filesystem::exists(path_)) return result;
  std::istringstream stream(graph::readFile(path_));
  for (std::string line; std::getline(stream, line);) {
    nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) result.push_back(std::move(json));
  }
  return result;
}

void MetricsFile::keepUpTo(int64_t iteration) const {
  std::string kept;
  for (const nlohmann::json& line : lines())
    if (line.value("iteration", int64_t{0}) <= iteration) kept += line.dump() + '\n';
  if (std::filesystem::exists(path_)) graph::writeFileAtomically(path_, kept);
}

void MetricsFile::remove() const {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

}  // namespace rdi::train
