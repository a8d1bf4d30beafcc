// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

/// RDI-ResNet38 as one writes it by hand with torch::nn: what the interpreter of ONNX graphs is measured by.
/// Parameters and buffers have the names of the ONNX initializers.
class TorchResNet38 : public torch::nn::Module {
public:
  TorchResNet38();

  /// Scores of the six side exits and the main one, N x 10 each, for images N x 3 x 32 x 32.
  std::vector<torch::Tensor> forward(const torch::Tensor& images);

private:
  torch::nn::Conv2d conv1_ = nullptr;
  torch::nn::BatchNorm2d bn1_ = nullptr;
  std::vector<std::shared_ptr<class BasicBlock>> blocks_;
  std::vector<torch::nn::Sequential> branches_;
  torch::nn::Linear fc_ = nullptr;
};
