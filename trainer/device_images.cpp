// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/device_images.hpp"

namespace rdi::train {
namespace {

torch::Tensor bytesOnDevice(const std::vector<uint8_t>& bytes, at::IntArrayRef shape,
                            const torch::Device& device) {
  // from_blob only reads here; clone or the copy to the device makes the tensor own its bytes.
  const torch::Tensor view = torch::from_blob(const_cast<uint8_t*>(bytes.data()), shape, torch::kUInt8);
  return device.is_cpu() ? view.clone() : view.to(device);
}

// To the bit what cv::dnn::blobFromImage gives for a scale of 1/255.
torch::Tensor toUnit(const torch::Tensor& pixels) { return pixels.to(torch::kFloat32).mul_(1.0F / 255); }

}  // namespace

DeviceImages::DeviceImages(const ImageSet& images, const torch::Device& device)
    : pixels_(
          bytesOnDevice(images.pixels, {images.count, images.channels, images.height, images.width}, device)),
      labels_(bytesOnDevice(images.labels, {images.count}, device).to(torch::kInt64)) {}

Batch DeviceImages::range(int64_t first, int64_t number) const {
  return {toUnit(pixels_.narrow(0, first, number)), labels_.narrow(0, first, number)};
}

Batch DeviceImages::pick(const torch::Tensor& indices) const {
  return {toUnit(pixels_.index_select(0, indices)), labels_.index_select(0, indices)};
}

}  // namespace rdi::train
