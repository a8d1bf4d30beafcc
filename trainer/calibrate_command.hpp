// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <optional>

#include "trainer/calibration.hpp"
#include "trainer/request.hpp"

namespace rdi::train {

/// rdi-evaluate calibrate MODEL: chooses the exit rule on held-out training images and writes it into the
/// model.
struct CalibrateArguments : Request {
  std::string policy = "equal-shares", output;
  std::vector<std::string> criteria, fusions, patiences;  // empty = as the model says; "any"
  std::vector<float> thresholds;                          // given
  std::string operatingPoint;                             // name under which the rule goes into the model
  bool makeDefault = false;                               // a named rule, too, becomes the one it answers by
  std::optional<double> maxDrop, maxCost, maxRisk, confidence;  // points and percent
  std::optional<double> checkShare;                             // percent
  std::optional<int> rounds;
  std::string frontier;  // SVG file
  int frontierPoints = 5;
  std::string command;  // as it was typed
  int64_t heldOut = 0;  // 0 = as the model's recipe says
};

/// Declares the options; checkCalibrate looks at them after parsing and throws CLI errors.
void declareCalibrate(CLI::App& app, CalibrateArguments& arguments);
void checkCalibrate(CalibrateArguments& arguments);

int calibrate(const CalibrateArguments& arguments);

}  // namespace rdi::train
