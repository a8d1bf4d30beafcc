// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include "trainer/request.hpp"

namespace rdi::train {

/// rdi-evaluate MODEL: accuracy, exits and cost, clean and attacked.
struct EvaluateArguments : Request {
  std::vector<float> thresholds;  // instead of those in the file
  std::string operatingPoint;     // of the file, instead of the rule it answers by
  std::string exit;               // everybody leaves there, instead of by thresholds
  std::string output;             // folder for all that is found
  std::string baseline;           // results of another model, for the report
  std::string command;            // as it was typed, for the report
  bool write = false;
};
void declareEvaluate(CLI::App& app, EvaluateArguments& arguments);
void checkEvaluate(EvaluateArguments& arguments);
int evaluate(const EvaluateArguments& arguments);

}  // namespace rdi::train
