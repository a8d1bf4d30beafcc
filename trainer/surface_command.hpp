// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

#include "trainer/request.hpp"

namespace rdi::train {

/// rdi-evaluate surface MODEL: the loss under the rule around test images, to see whether gradients lead
/// anywhere.
struct SurfaceArguments : Request {
  std::string operatingPoint;  // instead of the rule that the file answers by
  std::string output;          // SVG file
  std::string command;         // as it was typed
  size_t grid = 21, singles = 3;
};

/// Declares the options; checkSurface looks at them after parsing and throws CLI errors.
void declareSurface(CLI::App& app, SurfaceArguments& arguments);
void checkSurface(SurfaceArguments& arguments);

int surface(const SurfaceArguments& arguments);

}  // namespace rdi::train
