// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <iterator>
#include <vector>

#include "graph/zoo/architectures.hpp"
#include "graph/zoo/lean_branch.hpp"
#include "graph/zoo/network_builder.hpp"

namespace rdi::zoo {
namespace {

constexpr int64_t kBranchExpansion = 6;
constexpr int64_t kLeanWidth = 32;

ConvOptions convolution(int64_t outChannels, int64_t kernel = 1, int64_t stride = 1, int64_t groups = 1) {
  ConvOptions options;
  options.outChannels = outChannels;
  options.kernel = kernel;
  options.stride = stride;
  options.pad = kernel / 2;
  options.groups = groups;
  return options;
}

/// A stage of the backbone: `count` inverted residual blocks, the first with `stride`.
struct StageSpec {
  int64_t expansion, channels;
  int count;
  int64_t stride;
};
constexpr StageSpec kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 1},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                 {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

/// Inverted residual block with plain ReLU; unlike the original one it expands even by 1, and where the
/// stride is 1 and the channels change its shortcut is a projection.
std::string block(NetworkBuilder& net, const std::string& name, const std::string& src, int64_t inChannels,
                  int64_t outChannels, int64_t expansion, int64_t stride) {
  const int64_t inner = inChannels * expansion;
  std::string x = net.conv(name + ".conv1", src, convolution(inner));
  x = net.relu(name + ".relu1", net.batchNorm(name + ".bn1", x));
  x = net.conv(name + ".conv2", x, convolution(inner, 3, stride, /*groups=*/inner));
  x = net.relu(name + ".relu2", net.batchNorm(name + ".bn2", x));
  x = net.batchNorm(name + ".bn3", net.conv(name + ".conv3", x, convolution(outChannels)));
  if (stride != 1) return x;
  std::string shortcut = src;
  if (inChannels != outChannels) {
    shortcut = net.conv(name + ".shortcut.0", src, convolution(outChannels));
    shortcut = net.batchNorm(name + ".shortcut.1", shortcut);
  }
  return net.add(name + ".add", x, shortcut);
}

/// What a side exit computes before it pools and classifies.
enum class Head { twoBlocks, oneBlock, none, lean };

struct ExitSpec {
  int layer;  // the exit hangs on the output of this layer of the backbone
  Head head;
};
constexpr ExitSpec kSixExits[] = {{2, Head::twoBlocks}, {5, Head::oneBlock}, {8, Head::none},
                                  {10, Head::none},     {13, Head::none},    {16, Head::none}};
/// The paper puts exits after the 3rd and the 11th block and does not print their heads; these follow the
/// same pattern as the six: two halving blocks at 32 x 32, none at 8 x 8.
constexpr ExitSpec kTwoExits[] = {{4, Head::twoBlocks}, {12, Head::none}};
/// Half and three quarters of the way. docs/heads.md has what other places are worth.
constexpr ExitSpec kLeanExits[] = {{12, Head::lean}, {15, Head::lean}};

std::vector<ExitSpec> specsOf(MobileNetExits exits) {
  switch (exits) {
    case MobileNetExits::none:
      return {};
    case MobileNetExits::six:
      return {std::begin(kSixExits), std::end(kSixExits)};
    case MobileNetExits::two:
      return {std::begin(kTwoExits), std::end(kTwoExits)};
    case MobileNetExits::lean:
      break;
  }
  return {std::begin(kLeanExits), std::end(kLeanExits)};
}

void sideExit(NetworkBuilder& net, int number, Head head, const std::string& src, int64_t channels,
              int64_t size) {
  const std::string exit = "exit" + std::to_string(number);
  if (head == Head::lean) {
    const graph::Shape features = {channels, size, size};
    net.addExit(exit, addLeanBranch(net, "branch_" + exit, src, features, kLeanWidth, net.classes()));
    return;
  }
  const std::string branch = "branch_layer" + std::to_string(number);
  int index = 0;
  const auto next = [&] { return branch + "." + std::to_string(index++); };
  std::string x = src;
  if (head == Head::twoBlocks) {
    x = block(net, next(), x, channels, 32, kBranchExpansion, 2);
    x = net.batchNorm(next(), x);
    x = net.relu(next(), x);
    x = block(net, next(), x, 32, 64, kBranchExpansion, 2);
    x = net.batchNorm(next(), x);
  } else if (head == Head::oneBlock) {
    x = block(net, next(), x, channels, 32, kBranchExpansion, 2);
  }
  x = net.globalAveragePool(next(), x);
  x = net.flatten(next(), x);
  net.addExit(exit, net.linear(next(), x, net.classes()));
}

}  // namespace

onnx::ModelProto mobileNetV2(const std::string& name, MobileNetExits exits, uint64_t seed, int64_t classes) {
  const std::vector<ExitSpec> specs = specsOf(exits);
  auto exit = specs.begin();
  int exitNumber = 0;

  NetworkBuilder net(name, {3, 32, 32}, seed, classes);
  int64_t channels = 32, size = 32;
  std::string x = net.conv("layer1", net.input(), convolution(channels, 3));
  x = net.relu("relu1", net.batchNorm("bn1", x));
  int layer = 1;
  for (const auto& stage : kStages) {
    for (int i = 0; i < stage.count; ++i) {
      ++layer;
      x = block(net, "layer" + std::to_string(layer), x, channels, stage.channels, stage.expansion,
                i == 0 ? stage.stride : 1);
      channels = stage.channels;
      if (i == 0) size /= stage.stride;
      if (exit != specs.end() && exit->layer == layer)
        sideExit(net, ++exitNumber, (exit++)->head, x, channels, size);
    }
  }
  x = net.conv("layer19", x, convolution(1280));
  x = net.relu("relu2", net.batchNorm("bn2", x));
  x = net.flatten("flatten", net.globalAveragePool("avg_pool", x));
  net.addExit("main", net.linear("linear", x, net.classes()));
  return net.finish();
}

}  // namespace rdi::zoo
