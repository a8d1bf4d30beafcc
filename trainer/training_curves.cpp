// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/training_curves.hpp"

#include <algorithm>

#include "graph/model_io.hpp"
#include "trainer/training_metrics.hpp"

namespace rdi::train {
namespace {

using Lines = std::vector<nlohmann::json>;
using Series = LinePlot::Series;

constexpr size_t kMostPoints = 1000;  // a curve; more cannot be told apart

// The value of the last exit where a key holds one value an exit; nothing where it holds none.
const nlohmann::json* valueAt(const nlohmann::json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end()) return nullptr;
  const nlohmann::json& value = found->is_array() && !found->empty() ? found->back() : *found;
  return value.is_number() ? &value : nullptr;
}

Series curve(const std::string& name, const Lines& lines, const char* part, const char* key, double scale) {
  Series series;
  series.name = name;
  series.points = false;
  for (const nlohmann::json& line : lines) {
    if (*part != '\0' && !line.contains(part)) continue;
    const nlohmann::json* value = valueAt(*part == '\0' ? line : line[part], key);
    if (value == nullptr || !line.contains("iteration")) continue;
    series.x.push_back(line["iteration"].get<double>());
    series.y.push_back(value->get<double>() * scale);
  }
  if (series.x.size() <= kMostPoints) return series;
  Series thinned = series;
  thinned.x.clear();
  thinned.y.clear();
  for (size_t i = 0; i < kMostPoints; ++i) {
    const size_t place = i * (series.x.size() - 1) / (kMostPoints - 1);
    thinned.x.push_back(series.x[place]);
    thinned.y.push_back(series.y[place]);
  }
  return thinned;
}

void addIfAny(LinePlot& plot, Series series) {
  if (!series.x.empty()) plot.series.push_back(std::move(series));
}

}  // namespace

LinePlot lossPlot(const Lines& metrics) {
  LinePlot plot;
  plot.title = "Loss on training batches";
  plot.xAxis = "iteration";
  plot.yAxis = "loss, all exits";
  plot.series = {curve("", metrics, "", "loss", 1)};
  return plot;
}

LinePlot accuracyPlot(const Lines& metrics) {
  LinePlot plot;
  plot.title = "Accuracy of the main exit";
  plot.xAxis = "iteration";
  plot.yAxis = "right, %";
  addIfAny(plot, curve("training, clean", metrics, "", "clean", 100));
  addIfAny(plot, curve("training, attacked", metrics, "", "robust", 100));
  for (const auto& [name, key] :
       {std::pair("held out, clean", "clean"), {"held out, attacked", "attacked"}}) {
    Series series = curve(name, metrics, "validation", key, 100);
    series.points = true;
    addIfAny(plot, std::move(series));
  }
  return plot;
}

LinePlot learningRatePlot(const Lines& metrics) {
  LinePlot plot;
  plot.title = "Learning rate";
  plot.xAxis = "iteration";
  plot.yAxis = "learning rate";
  plot.series = {curve("", metrics, "", "learning_rate", 1)};
  plot.y.from = 0;
  return plot;
}

void drawTrainingCurves(const RunFolder& folder) {
  const Lines metrics = MetricsFile(folder.metrics()).lines();
  graph::writeFileAtomically(folder.lossCurve(), draw(lossPlot(metrics)));
  graph::writeFileAtomically(folder.accuracyCurve(), draw(accuracyPlot(metrics)));
  graph::writeFileAtomically(folder.learningRateCurve(), draw(learningRatePlot(metrics)));
}

}  // namespace rdi::train
