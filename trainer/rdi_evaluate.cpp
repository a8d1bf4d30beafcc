// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibrate_command.hpp"
#include "trainer/command_line.hpp"
#include "trainer/deployed_command.hpp"
#include "trainer/evaluate_command.hpp"

int main(int argc, char** argv) {
  using namespace rdi::train;
  CLI::App app("Accuracy, exits and cost of a multi-exit model, clean and attacked.", "rdi-evaluate");
  EvaluateArguments evaluation;
  declareEvaluate(app, evaluation);
  CalibrateArguments calibration;
  CLI::App* choose = app.add_subcommand(
      "calibrate", "Chooses thresholds on held-out training images and writes them into the model");
  declareCalibrate(*choose, calibration);
  DeployedArguments deployment;
  CLI::App* deployed = app.add_subcommand(
      "deployed", "Runs an early-exit file in OpenCV on saved inputs and compares it with libtorch");
  declareDeployed(*deployed, deployment);
  std::string engine = "libtorch";
  declareEngine(app, engine, deployment);

  app.callback([&] {
    if (choose->parsed()) {
      checkRequest(calibration);
    } else if (engine == "opencv") {
      deployment.model = evaluation.model;
      deployment.json = evaluation.json;
      deployment.threads = evaluation.evaluator.threads;
      deployment.batchSize = evaluation.evaluator.batchSize;
      checkDeployed(deployment);
    } else if (deployed->parsed()) {
      checkDeployed(deployment);
    } else {
      checkEvaluate(evaluation);
    }
  });
  return runProgram(app, "rdi-evaluate", argc, argv, [&] {
    if (choose->parsed()) return calibrate(calibration);
    return deployed->parsed() || engine == "opencv" ? compareDeployed(deployment) : evaluate(evaluation);
  });
}
