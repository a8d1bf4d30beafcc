// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/zoo/architectures.hpp"
#include "graph/zoo/lean_branch.hpp"
#include "graph/zoo/network_builder.hpp"

namespace rdi::zoo {
namespace {

constexpr int kFirstExitBlock = 1, kSecondExitBlock = 4;  // 0-based, in every group

/// Where lean exits hang: half and three quarters of the way. docs/heads.md has what other places are worth.
struct LeanExit {
  int group, block;  // 0-based
  int64_t width;
};
constexpr LeanExit kLeanExits[] = {{1, 2, 48}, {2, 1, 32}};

ConvOptions convolution(int64_t outChannels, int64_t kernel, int64_t stride = 1) {
  ConvOptions options;
  options.outChannels = outChannels;
  options.kernel = kernel;
  options.stride = stride;
  options.pad = kernel / 2;
  options.init = Init::normalFanOut;
  return options;
}

std::string basicBlock(NetworkBuilder& net, const std::string& block, const std::string& src,
                       int64_t channels, int64_t stride) {
  std::string x = net.conv(block + ".conv1", src, convolution(channels, 3, stride));
  x = net.relu(block + ".relu1", net.batchNorm(block + ".bn1", x));
  x = net.batchNorm(block + ".bn2", net.conv(block + ".conv2", x, convolution(channels, 3)));
  std::string shortcut = src;
  if (stride != 1) {
    shortcut = net.conv(block + ".downsample.0", src, convolution(channels, 1, stride));
    shortcut = net.batchNorm(block + ".downsample.1", shortcut);
  }
  return net.relu(block + ".relu2", net.add(block + ".add", x, shortcut));
}

/// Pools, flattens and classifies; layers numbered on from `first` as in a torch Sequential.
void classify(NetworkBuilder& net, const std::string& branch, int first, const std::string& src,
              const std::string& exit) {
  const auto layer = [&](int index) { return branch + "." + std::to_string(first + index); };
  const std::string x = net.flatten(layer(1), net.globalAveragePool(layer(0), src));
  net.addExit(exit, net.linear(layer(2), x, net.classes()));
}

/// Side exits of group 0, 1 and 2: the later, the simpler.
void sideExit(NetworkBuilder& net, int group, int number, const std::string& src) {
  const std::string branch = "branch_layer" + std::to_string(number);
  const std::string exit = "exit" + std::to_string(number);
  std::string x = src;
  switch (group) {
    case 0:
      x = net.maxPool(branch + ".0", x, 2);
      x = net.batchNorm(branch + ".2", net.conv(branch + ".1", x, convolution(64, 5)));
      x = net.maxPool(branch + ".4", net.relu(branch + ".3", x), 2);
      x = net.batchNorm(branch + ".6", net.conv(branch + ".5", x, convolution(32, 3)));
      return classify(net, branch, 7, x, exit);
    case 1:
      x = basicBlock(net, branch + ".1", net.maxPool(branch + ".0", x, 2), 32, 1);
      return classify(net, branch, 2, x, exit);
    default:
      return classify(net, branch, 0, x, exit);
  }
}

}  // namespace

onnx::ModelProto resNet(const std::string& name, int blocksPerGroup, ResNetExits exits, uint64_t seed,
                        int64_t classes) {
  NetworkBuilder net(name, {3, 32, 32}, seed, classes);
  std::string x = net.batchNorm("bn1", net.conv("conv1", net.input(), convolution(16, 3)));
  x = net.relu("relu", x);
  int exitNumber = 0;
  for (int group = 0; group < 3; ++group) {
    for (int block = 0; block < blocksPerGroup; ++block) {
      const int64_t stride = group > 0 && block == 0 ? 2 : 1;
      const std::string layer = "group" + std::to_string(group) + "_layer" + std::to_string(block);
      x = basicBlock(net, layer, x, int64_t{16} << group, stride);
      if (exits == ResNetExits::six && (block == kFirstExitBlock || block == kSecondExitBlock))
        sideExit(net, group, ++exitNumber, x);
      if (exits != ResNetExits::lean) continue;
      for (const LeanExit& lean : kLeanExits) {
        if (lean.group != group || lean.block != block) continue;
        const std::string exit = "exit" + std::to_string(++exitNumber);
        const int64_t size = 32 >> group;
        const graph::Shape features = {int64_t{16} << group, size, size};
        net.addExit(exit, addLeanBranch(net, "branch_" + exit, x, features, lean.width, net.classes()));
      }
    }
  }
  x = net.flatten("flatten", net.globalAveragePool("avgpool", x));
  net.addExit("main", net.linear("fc", x, net.classes()));
  return net.finish();
}

}  // namespace rdi::zoo
