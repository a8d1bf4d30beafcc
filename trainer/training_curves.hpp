// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/plot.hpp"
#include "trainer/run_folder.hpp"

namespace rdi::train {

/// Curves over the iterations, from lines of metrics.jsonl. Accuracies are those of the main exit on training
/// batches, in percent, and on held-out images where there was a look at them.
LinePlot lossPlot(const std::vector<nlohmann::json>& metrics);
LinePlot accuracyPlot(const std::vector<nlohmann::json>& metrics);
LinePlot learningRatePlot(const std::vector<nlohmann::json>& metrics);

/// Draws the three of them into the run folder. Throws rdi::Error when gnuplot is not installed or a file
/// cannot be written.
void drawTrainingCurves(const RunFolder& folder);

}  // namespace rdi::train
