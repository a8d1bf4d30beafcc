// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibrate_command.hpp"
#include "trainer/command_line.hpp"
#include "trainer/evaluate_command.hpp"

int main(int argc, char** argv) {
  using namespace rdi::train;
  CLI::App app("Accuracy, exits and cost of a multi-exit model, clean and attacked.", "rdi-evaluate");
  EvaluateArguments evaluation;
  declareEvaluate(app, evaluation);
  CalibrateArguments calibration;
  CLI::App* choose = app.add_subcommand(
      "calibrate", "Chooses the exit rule on held-out training images and writes it into the model");
  declareCalibrate(*choose, calibration);
  app.callback([&] {
    if (choose->parsed())
      checkCalibrate(calibration);
    else
      checkEvaluate(evaluation);
  });
  return runProgram(app, "rdi-evaluate", argc, argv,
                    [&] { return choose->parsed() ? calibrate(calibration) : evaluate(evaluation); });
}
