// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>
#include <vector>

#include "trainer/request.hpp"

namespace rdi::train {

/// rdi-evaluate frontier MODEL...: what models reach by rules of several kinds, each point under attacks made
/// for it. Thresholds come from held-out training images, the figures from test images.
struct FrontierArguments : Request {
  std::vector<std::string> models;
  std::vector<std::string> rules;  // CRITERION,FUSION,PATIENCE; empty = the kind in each model
  std::string reference;           // whose static net is 100 %; empty = the first model
  std::string output;              // folder
  std::string command;             // as it was typed
  int points = 4;                  // thresholds a kind of rule and model
  int64_t searchImages = 500;      // held-out images that choose them
  int searchSteps = 10;            // of PGD on these
};

/// Declares the options; checkFrontier looks at them after parsing and throws CLI errors.
void declareFrontier(CLI::App& app, FrontierArguments& arguments);
void checkFrontier(FrontierArguments& arguments);

int frontier(const FrontierArguments& arguments);

}  // namespace rdi::train
