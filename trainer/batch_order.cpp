// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/batch_order.hpp"

#include "graph/error.hpp"
#include "trainer/torch_compat.hpp"

namespace rdi::train {

using torch::Tensor;

BatchOrder::BatchOrder(int64_t imageCount, int64_t batchSize, const torch::Device& device, uint64_t seed)
    : imageCount_(imageCount),
      batchSize_(batchSize),
      device_(device),
      generator_(makeGenerator(device, seed)) {}

Tensor BatchOrder::next() {
  if (!order_.defined() || position_ + batchSize_ > imageCount_) {
    order_ = torch::randperm(imageCount_, generator_, torch::TensorOptions(torch::kInt64).device(device_));
    position_ = 0;
  }
  position_ += batchSize_;
  return order_.narrow(0, position_ - batchSize_, batchSize_);
}

void BatchOrder::save(Checkpoint& checkpoint) const {
  checkpoint.add("order", order_.defined() ? order_ : torch::empty({0}, torch::kInt64));
  checkpoint.add("generator.order", generator_.get_state());
  checkpoint.state["position"] = position_;
}

void BatchOrder::restore(const Checkpoint& checkpoint) {
  const Tensor& order = checkpoint.tensor("order");
  order_ = order.numel() == 0 ? Tensor() : order.to(device_);
  generator_.set_state(checkpoint.tensor("generator.order"));
  position_ = checkpoint.state.at("position").get<int64_t>();
  if (order_.defined() && order_.numel() != imageCount_)
    throw Error(
        text("the checkpoint was trained on ", order_.numel(), " images, the data now has ", imageCount_));
}

}  // namespace rdi::train
