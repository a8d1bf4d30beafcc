// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "trainer/evaluate_command.hpp"

namespace rdi::train {

/// rdi-evaluate deployed EARLY_EXIT.onnx --inputs FOLDER: the file in cv::dnn with the plugin, on the images
/// that an evaluation saved, against what libtorch gave for them. Ends in an error when they differ by more
/// than rounding explains.
struct DeployedArguments {
  std::string model, inputs, plugin, json;
  double tolerance = 1e-4;
  int threads = 0;
  int64_t batchSize = 250;
};
void declareDeployed(CLI::App& app, DeployedArguments& arguments);
/// Throws CLI errors for what is missing.
void checkDeployed(const DeployedArguments& arguments);
int compareDeployed(const DeployedArguments& arguments);

/// The same spelled `rdi-evaluate EARLY_EXIT.onnx --engine opencv --inputs FOLDER`: the options that
/// evaluating lacks, and the others taken from it.
void declareEngine(CLI::App& app, std::string& engine, DeployedArguments& arguments);
DeployedArguments fromEvaluate(const EvaluateArguments& evaluation, DeployedArguments arguments);

}  // namespace rdi::train
