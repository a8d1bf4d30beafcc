// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <torch/torch.h>

#include <string>

namespace rdi::train {

/// The device `cpu`, `cuda` or `cuda:N`, made ready; `threads` on the CPU, 0 for all cores. Throws rdi::Error
/// when this machine or this libtorch has no such device.
torch::Device useDevice(const std::string& name, int threads);

}  // namespace rdi::train
