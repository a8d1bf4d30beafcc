// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What PyTorch's own writers write is what our reader reads.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <sstream>

#include "converters/weights.hpp"

namespace {

using rdi::convert::parseWeights;
using rdi::convert::Weights;

/// The values of every tensor are those that PyTorch sees.
void expectSame(const Weights& weights, const std::map<std::string, torch::Tensor>& tensors) {
  ASSERT_EQ(weights.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    SCOPED_TRACE(name);
    ASSERT_EQ(weights.tensors.count(name), 1u);
    const auto& found = weights.tensors.at(name);
    EXPECT_EQ(found.shape, tensor.sizes().vec());
    const auto expected = tensor.detach().to(torch::kFloat32).contiguous().view({-1});
    EXPECT_EQ(rdi::convert::toFloat(found),
              std::vector<float>(expected.data_ptr<float>(), expected.data_ptr<float>() + expected.numel()));
  }
}

std::map<std::string, torch::Tensor> tensorsOfEveryKind() {
  torch::manual_seed(1);
  const auto base = torch::randn({4, 5, 6}) * 50;
  std::map<std::string, torch::Tensor> tensors = {
      {"whole.weight", base},
      {"view.transposed", base.transpose(0, 2)},
      {"view.part", base.slice(1, 1, 4, 2)},
      {"view.row", base[2][3]},
      {"view.channels_last", torch::randn({2, 3, 4, 5}).contiguous(torch::MemoryFormat::ChannelsLast)},
      {"no.dimension", torch::tensor(2.5)},
      {"no.element", torch::empty({0, 3})},
  };
  for (const auto type : {torch::kFloat16, torch::kBFloat16, torch::kFloat64, torch::kInt8, torch::kUInt8,
                          torch::kInt16, torch::kInt32, torch::kInt64, torch::kBool})
    tensors[std::string("type.") + torch::toString(type)] = base.abs().to(type);
  return tensors;
}

c10::impl::GenericDict dictOf(const std::map<std::string, torch::Tensor>& tensors) {
  c10::impl::GenericDict dict(c10::StringType::get(), c10::TensorType::get());
  for (const auto& [name, tensor] : tensors) dict.insert(name, tensor);
  return dict;
}

std::string pickled(const c10::IValue& value) {
  const auto bytes = torch::pickle_save(value);
  return {bytes.begin(), bytes.end()};
}

TEST(TorchFiles, AStateDictOfEveryKindOfTensor) {
  const auto tensors = tensorsOfEveryKind();
  expectSame(parseWeights(pickled(dictOf(tensors)), "state.pt"), tensors);
}

TEST(TorchFiles, AStateDictInsideACheckpoint) {
  const auto tensors = tensorsOfEveryKind();
  c10::impl::GenericDict checkpoint(c10::StringType::get(), c10::AnyType::get());
  checkpoint.insert("epoch", 3);
  checkpoint.insert("losses", std::vector<double>{0.5, 0.25});
  checkpoint.insert("model_state_dict", dictOf(tensors));
  const auto weights = parseWeights(pickled(checkpoint), "checkpoint.pt");
  EXPECT_EQ(weights.key, "model_state_dict");
  expectSame(weights, tensors);
}

TEST(TorchFiles, AModuleAsAnArchive) {
  torch::nn::Sequential net(torch::nn::Conv2d(3, 8, 3), torch::nn::BatchNorm2d(8), torch::nn::Linear(8, 10));
  std::ostringstream stream;
  torch::save(net, stream);
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& entry : net->named_parameters()) tensors[entry.key()] = entry.value();
  for (const auto& entry : net->named_buffers()) tensors[entry.key()] = entry.value();
  expectSame(parseWeights(stream.str(), "module.pt"), tensors);
}

}  // namespace
