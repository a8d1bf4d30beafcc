// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "graph/exit_rule.hpp"
#include "trainer/data.hpp"

namespace rdi::train {

struct SurfaceOptions {
  std::string device = "cpu";
  int threads = 0;  // 0 = all cores
  int64_t batchSize = 250;
  int64_t limit = 100;  // images from the first on; 0 = all
  uint64_t seed = 1;
  std::string modelName;     // the model's file, for errors
  double epsilon = 0;        // radius, in [0,1] pixel units
  double temperature = 0.1;  // of soft routing
  size_t side = 21;          // of the grid; odd, so that the image itself is on it
  size_t singles = 3;        // images shown for themselves
};

/// The cross-entropy of the answer around images: image + a * epsilon * g + b * epsilon * r, clamped to
/// [0,1], with g the sign of the loss's gradient, r a random sign a pixel, a and b from -1 to 1. Where the
/// signs agree that is up to twice epsilon away. Grids go row by row: b from -1 up, in each row a from -1 up.
struct LossSurface {
  std::string loss;  // routed: at the exit taken; soft-routed: expected over exits; single: of the only exit
  size_t side = 0;
  int64_t images = 0;
  std::vector<double> mean;                  // over all images
  std::vector<std::vector<double>> singles;  // of the first images
  std::vector<double> wrong;                 // share of the images answered wrong under the rule
  // Signs of gradients that lead nowhere, shares of the images:
  double noGradient = 0;  // it is zero at every pixel
  double randomWins = 0;  // the loss is higher at r than at g, one radius away
  double missedRise =
      0;  // a loss more than twice that at g, by more than 0.1, lies elsewhere within one radius
};

/// One surface for each loss, the routed and the soft-routed one, or a single one where there is one exit.
/// `told` hears of grid points done of all, `stop` is asked between them and ends it: then nothing. Throws
/// rdi::Error for options that make no sense, naming the option.
std::optional<std::vector<LossSurface>> lossSurfaces(
    const onnx::ModelProto& model, const ImageSet& images, const graph::ExitRule& rule,
    const SurfaceOptions& options, const std::function<void(size_t done, size_t all)>& told = {},
    const std::function<bool()>& stop = {});

}  // namespace rdi::train
