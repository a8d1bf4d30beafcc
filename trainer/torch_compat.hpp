// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

namespace rdi::train {

/// The one place that knows the difference between libtorch 1.13 and 2.x.
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 5)
inline void setAutocast(torch::DeviceType device, bool enabled) {
  if (enabled) at::autocast::set_autocast_dtype(device, torch::kBFloat16);
  at::autocast::set_autocast_enabled(device, enabled);
}
#else
inline void setAutocast(torch::DeviceType device, bool enabled) {
  if (device == torch::kCUDA) {
    if (enabled) at::autocast::set_autocast_gpu_dtype(torch::kBFloat16);
    at::autocast::set_enabled(enabled);
  } else {
    if (enabled) at::autocast::set_autocast_cpu_dtype(torch::kBFloat16);
    at::autocast::set_cpu_enabled(enabled);
  }
}
#endif

/// While it lives, operators that profit compute in BF16 and the others in float32.
class AutocastGuard {
public:
  AutocastGuard(torch::DeviceType device, bool enabled) : device_(device), enabled_(enabled) {
    if (!enabled_) return;
    at::autocast::increment_nesting();
    setAutocast(device_, true);
  }
  ~AutocastGuard() {
    if (!enabled_) return;
    setAutocast(device_, false);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  }
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

private:
  torch::DeviceType device_;
  bool enabled_;
};

/// A generator of its own for one purpose, so that drawing for another does not disturb it.
inline torch::Generator makeGenerator(const torch::Device& device, uint64_t seed) {
  torch::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

/// Speed over the last bits: TF32 matrix products and cuDNN's choice of the fastest convolution.
inline void preferSpeed(const torch::Device& device) {
  if (!device.is_cuda()) return;
  at::globalContext().setFloat32MatmulPrecision("high");
  at::globalContext().setBenchmarkCuDNN(true);
}

}  // namespace rdi::train
