// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include "trainer/request.hpp"

namespace rdi::train {

/// rdi-evaluate calibrate MODEL: chooses thresholds on held-out training images and writes them into the
/// model.
struct CalibrateArguments : Request {
  std::string policy = "equal-shares", output, criterion, fusion;
  double maxDrop = 0.2;  // points
  int patience = 0;      // 0 = as the model says
  int64_t heldOut = 0;   // 0 = as the model's recipe says
};
void declareCalibrate(CLI::App& app, CalibrateArguments& arguments);
int calibrate(const CalibrateArguments& arguments);

}  // namespace rdi::train
