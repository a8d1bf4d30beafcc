// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/zoo/lean_branch.hpp"

#include <algorithm>

namespace rdi::zoo {
namespace {

constexpr int64_t kGrid = 8;  // pixels to a side, about, that a branch looks at

int64_t windowFor(const graph::Shape& features) {
  return std::max<int64_t>(std::min(features[1], features[2]) / kGrid, 1);
}

int64_t halved(int64_t size) { return (size - 1) / 2 + 1; }

ConvOptions halvingConv(int64_t outChannels) {
  ConvOptions options;
  options.outChannels = outChannels;
  options.stride = 2;
  options.pad = 1;
  options.init = Init::normalFanOut;
  return options;
}

}  // namespace

int64_t leanBranchMacs(const graph::Shape& features, int64_t width, int64_t classes) {
  const int64_t window = windowFor(features), kernel = 9;
  const int64_t rows = halved(features[1] / window), columns = halved(features[2] / window);
  const int64_t first = rows * columns * kernel * features[0] * width;
  const int64_t second = halved(rows) * halved(columns) * kernel * width * 2 * width;
  return first + second + 2 * width * classes;
}

std::string addLeanBranch(NetworkBuilder& net, const std::string& branch, const std::string& src,
                          const graph::Shape& features, int64_t width, int64_t classes) {
  const int64_t window = windowFor(features);
  std::string x = window > 1 ? net.averagePool(branch + ".pool", src, window) : src;
  for (int layer = 1; layer <= 2; ++layer) {
    const std::string number = std::to_string(layer);
    x = net.conv(branch + ".conv" + number, x, halvingConv(layer * width));
    x = net.relu(branch + ".relu" + number, net.batchNorm(branch + ".bn" + number, x));
  }
  x = net.flatten(branch + ".flatten", net.globalAveragePool(branch + ".mean", x));
  return net.linear(branch + ".classifier", x, classes);
}

}  // namespace rdi::zoo
