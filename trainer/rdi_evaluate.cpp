// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/calibrate_command.hpp"
#include "trainer/command_line.hpp"
#include "trainer/compare_command.hpp"
#include "trainer/deployed_command.hpp"
#include "trainer/evaluate_command.hpp"
#include "trainer/frontier_command.hpp"
#include "trainer/report_command.hpp"
#include "trainer/surface_command.hpp"

int main(int argc, char** argv) {
  using namespace rdi::train;
  CLI::App app("Accuracy, exits and cost of a multi-exit model, clean and attacked.", "rdi-evaluate");
  EvaluateArguments evaluation;
  evaluation.command = commandLine(argc, argv);
  declareEvaluate(app, evaluation);
  CalibrateArguments calibration;
  CLI::App* choose = app.add_subcommand(
      "calibrate", "Chooses the exit rule on held-out training images and writes it into the model");
  calibration.command = evaluation.command;
  declareCalibrate(*choose, calibration);
  FrontierArguments sweep;
  CLI::App* swept = app.add_subcommand(
      "frontier",
      "Cost against union and clean accuracy of several models, rules and thresholds, each attacked anew");
  sweep.command = evaluation.command;
  declareFrontier(*swept, sweep);
  SurfaceArguments around;
  CLI::App* surveyed = app.add_subcommand(
      "surface", "The loss under the exit rule around test images: whether gradients lead anywhere");
  around.command = evaluation.command;
  declareSurface(*surveyed, around);
  CompareArguments comparison;
  CLI::App* together = app.add_subcommand("compare", "Several models' results in one table and on one page");
  declareCompare(*together, comparison);
  ReportArguments results;
  CLI::App* again = app.add_subcommand("report", "Table and page of results that were measured before");
  declareReport(*again, results);
  DeployedArguments deployment;
  CLI::App* deployed = app.add_subcommand(
      "deployed", "Runs an early-exit file in OpenCV on saved inputs and compares it with libtorch");
  declareDeployed(*deployed, deployment);
  std::string engine = "libtorch";
  declareEngine(app, engine, deployment);

  app.callback([&] {
    if (choose->parsed())
      checkCalibrate(calibration);
    else if (swept->parsed())
      checkFrontier(sweep);
    else if (surveyed->parsed())
      checkSurface(around);
    else if (deployed->parsed())
      checkDeployed(deployment);
    else if (engine == "opencv")
      checkDeployed(deployment = fromEvaluate(evaluation, deployment));
    else if (!together->parsed() && !again->parsed())
      checkEvaluate(evaluation);
  });
  return runProgram(app, "rdi-evaluate", argc, argv, [&] {
    if (choose->parsed()) return calibrate(calibration);
    if (swept->parsed()) return frontier(sweep);
    if (surveyed->parsed()) return surface(around);
    if (together->parsed()) return compare(comparison);
    if (again->parsed()) return report(results);
    if (deployed->parsed() || engine == "opencv") return compareDeployed(deployment);
    return evaluate(evaluation);
  });
}
