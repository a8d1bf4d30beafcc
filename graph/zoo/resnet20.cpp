// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/zoo/architectures.hpp"
#include "graph/zoo/network_builder.hpp"

namespace rdi::zoo {
namespace {

constexpr int kGroups = 3, kBlocksPerGroup = 3;

// ImageNet's statistics: what the public weights of this network were trained with.
const std::vector<float> kMean{0.485f, 0.456f, 0.406f}, kDeviation{0.229f, 0.224f, 0.225f};

ConvOptions convolution(int64_t outChannels, int64_t stride = 1) {
  ConvOptions options;
  options.outChannels = outChannels;
  options.stride = stride;
  options.pad = 1;
  options.init = Init::normalFanIn;
  return options;
}

/// Shortcuts have no weights: where the picture shrinks, every second pixel, with channels of zeros on both
/// sides (He et al. 2015, option A).
std::string basicBlock(NetworkBuilder& net, const std::string& block, const std::string& src,
                       int64_t channels, int64_t stride) {
  std::string x = net.conv(block + ".conv1", src, convolution(channels, stride));
  x = net.relu(block + ".relu1", net.batchNorm(block + ".bn1", x));
  x = net.batchNorm(block + ".bn2", net.conv(block + ".conv2", x, convolution(channels)));
  std::string shortcut = src;
  if (stride != 1) {
    shortcut = net.subsample(block + ".subsample", src, stride);
    shortcut = net.padChannels(block + ".shortcut", shortcut, channels / 4, channels / 4);
  }
  return net.relu(block + ".relu2", net.add(block + ".add", x, shortcut));
}

}  // namespace

onnx::ModelProto resNet20(const std::string& name, uint64_t seed, int64_t classes) {
  NetworkBuilder net(name, {3, 32, 32}, seed, classes);
  std::string x = net.normalize("normalize", net.input(), kMean, kDeviation);
  x = net.relu("relu1", net.batchNorm("bn1", net.conv("conv1", x, convolution(16))));
  for (int group = 0; group < kGroups; ++group)
    for (int block = 0; block < kBlocksPerGroup; ++block) {
      const std::string layer = "layer" + std::to_string(group + 1) + "." + std::to_string(block);
      x = basicBlock(net, layer, x, int64_t{16} << group, group > 0 && block == 0 ? 2 : 1);
    }
  x = net.flatten("flatten", net.globalAveragePool("avgpool", x));
  net.addExit("main", net.linear("linear", x, net.classes(), Init::normalFanIn));
  return net.finish();
}

}  // namespace rdi::zoo
