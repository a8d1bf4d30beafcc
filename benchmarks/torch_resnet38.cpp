// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "benchmarks/torch_resnet38.hpp"

namespace nn = torch::nn;
using torch::Tensor;

namespace {

nn::Conv2d convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

nn::Functional maxPool() {
  return nn::Functional([](const Tensor& x) { return torch::max_pool2d(x, 2); });
}

nn::Functional relu() {
  return nn::Functional([](const Tensor& x) { return torch::relu(x); });
}

nn::Functional averagePool() {
  return nn::Functional([](const Tensor& x) { return torch::adaptive_avg_pool2d(x, {1, 1}); });
}

}  // namespace

class BasicBlock : public nn::Module {
public:
  BasicBlock(int64_t in, int64_t out, int64_t stride)
      : conv1_(register_module("conv1", convolution(in, out, 3, stride))),
        bn1_(register_module("bn1", nn::BatchNorm2d(out))),
        conv2_(register_module("conv2", convolution(out, out, 3))),
        bn2_(register_module("bn2", nn::BatchNorm2d(out))) {
    if (stride != 1)
      downsample_ = register_module("downsample",
                                    nn::Sequential(convolution(in, out, 1, stride), nn::BatchNorm2d(out)));
  }

  Tensor forward(const Tensor& src) {
    const Tensor x = bn2_(conv2_(torch::relu(bn1_(conv1_(src)))));
    return torch::relu(x + (downsample_ ? downsample_->forward(src) : src));
  }

private:
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  nn::Conv2d conv2_;
  nn::BatchNorm2d bn2_;
  nn::Sequential downsample_ = nullptr;
};

TorchResNet38::TorchResNet38() {
  conv1_ = register_module("conv1", convolution(3, 16, 3));
  bn1_ = register_module("bn1", nn::BatchNorm2d(16));
  for (int64_t group = 0; group < 3; ++group)
    for (int64_t block = 0; block < 6; ++block) {
      const bool isFirst = group > 0 && block == 0;
      const int64_t out = 16 << group;
      blocks_.push_back(
          register_module("group" + std::to_string(group) + "_layer" + std::to_string(block),
                          std::make_shared<BasicBlock>(isFirst ? out / 2 : out, out, isFirst ? 2 : 1)));
    }
  for (int64_t i = 0; i < 6; ++i) {
    nn::Sequential branch;
    if (i < 2)
      branch = nn::Sequential(maxPool(), convolution(16, 64, 5), nn::BatchNorm2d(64), relu(), maxPool(),
                              convolution(64, 32, 3), nn::BatchNorm2d(32), averagePool(), nn::Flatten(),
                              nn::Linear(32, 10));
    else if (i < 4)
      branch =
          nn::Sequential(maxPool(), BasicBlock(32, 32, 1), averagePool(), nn::Flatten(), nn::Linear(32, 10));
    else
      branch = nn::Sequential(averagePool(), nn::Flatten(), nn::Linear(64, 10));
    branches_.push_back(register_module("branch_layer" + std::to_string(i + 1), branch));
  }
  fc_ = register_module("fc", nn::Linear(64, 10));
}

std::vector<Tensor> TorchResNet38::forward(const Tensor& images) {
  std::vector<Tensor> scores;
  Tensor x = torch::relu(bn1_(conv1_(images)));
  for (size_t i = 0; i < blocks_.size(); ++i) {
    x = blocks_[i]->forward(x);
    if (i % 6 == 1 || i % 6 == 4) scores.push_back(branches_[scores.size()]->forward(x));
  }
  scores.push_back(fc_(torch::adaptive_avg_pool2d(x, {1, 1}).flatten(1)));
  return scores;
}
