// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/zoo/architectures.hpp"
#include "graph/zoo/network_builder.hpp"

namespace rdi::zoo {
namespace {

constexpr int64_t kHidden = 200;
constexpr float kDropout = 0.5f;

ConvOptions convolution(int64_t outChannels, int64_t stride = 1) {
  ConvOptions options;
  options.outChannels = outChannels;
  options.stride = stride;
  options.bias = true;
  options.init = Init::normalFanIn;
  return options;
}

/// The three linear layers that end every branch, numbered on from `first` as in a torch Sequential.
void branchHead(NetworkBuilder& net, const std::string& branch, int first, const std::string& src,
                const std::string& exit) {
  const auto layer = [&](int index) { return branch + "." + std::to_string(first + index); };
  std::string x = net.flatten(layer(0), src);
  x = net.linear(layer(1), x, kHidden);
  x = net.dropout(layer(2), x, kDropout);
  x = net.linear(layer(3), x, kHidden);
  net.addExit(exit, net.linear(layer(4), x, net.classes()));
}

}  // namespace

onnx::ModelProto smallCnn(const std::string& name, uint64_t seed, int64_t classes) {
  NetworkBuilder net(name, {1, 28, 28}, seed, classes);
  std::string x = net.relu("relu1", net.conv("conv1", net.input(), convolution(32)));

  std::string branch = net.conv("branch_layer1.0", x, convolution(16, /*stride=*/2));
  branch = net.maxPool("branch_layer1.1", branch, 2);
  branchHead(net, "branch_layer1", 2, branch, "exit1");

  x = net.relu("relu2", net.conv("conv2", x, convolution(32)));
  x = net.maxPool("maxpool1", x, 2);
  x = net.relu("relu3", net.conv("conv3", x, convolution(64)));

  branch = net.maxPool("branch_layer2.0", x, 2);
  branchHead(net, "branch_layer2", 1, branch, "exit2");

  x = net.relu("relu4", net.conv("conv4", x, convolution(64)));
  x = net.flatten("flatten", net.maxPool("maxpool2", x, 2));
  x = net.relu("relu5", net.linear("fc1", x, kHidden));
  x = net.dropout("drop", x, kDropout);
  x = net.relu("relu6", net.linear("fc2", x, kHidden));
  net.addExit("main", net.linear("fc3", x, net.classes(), Init::zero));
  return net.finish();
}

}  // namespace rdi::zoo
