// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/zoo/lean_branch.hpp"

namespace rdi::zoo {

void addLeanBranch(NetworkBuilder& net, const std::string& branch, const std::string& exit,
                   const std::string& src, int64_t size, int64_t width, int64_t classes) {
  constexpr int64_t kCoarse = 8;
  std::string x = src;
  if (size > kCoarse) x = net.averagePool(branch + ".pool", x, size / kCoarse);
  const int halvings = size < kCoarse ? 1 : 2;
  for (int i = 1; i <= halvings; ++i) {
    ConvOptions halving;
    halving.outChannels = width;
    halving.kernel = 3;
    halving.stride = 2;
    halving.pad = 1;
    halving.init = Init::normalFanOut;
    const std::string number = std::to_string(i);
    x = net.batchNorm(branch + ".bn" + number, net.conv(branch + ".conv" + number, x, halving));
    x = net.relu(branch + ".relu" + number, x);
  }
  x = net.flatten(branch + ".flatten", net.globalAveragePool(branch + ".mean", x));
  net.addExit(exit, net.linear(branch + ".classifier", x, classes));
}

}  // namespace rdi::zoo
