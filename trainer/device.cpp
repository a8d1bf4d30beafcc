// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/device.hpp"

#include <algorithm>
#include <thread>

#include "graph/error.hpp"
#include "trainer/torch_compat.hpp"

namespace rdi::train {

torch::Device useDevice(const std::string& name, int threads) {
  at::set_num_threads(threads > 0 ? threads
                                  : std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  if (name == "cpu") return torch::Device(torch::kCPU);
  const std::string prefix = "cuda:";
  int index = 0;
  if (name.rfind(prefix, 0) == 0 && name.size() > prefix.size() && name.size() < prefix.size() + 4 &&
      name.find_first_not_of("0123456789", prefix.size()) == std::string::npos)
    index = std::stoi(name.substr(prefix.size()));
  else if (name != "cuda")
    throw Error(text("--device: found ", name, ", expected cpu, cuda or cuda:N"));
  const auto count = static_cast<int>(torch::cuda::device_count());
  if (index >= count)
    throw Error(text("--device: found ", name, ", but this machine and this libtorch offer ", count,
                     " CUDA devices; use --device cpu"));
  const torch::Device device(torch::kCUDA, static_cast<torch::DeviceIndex>(index));
  preferSpeed(device);
  return device;
}

}  // namespace rdi::train
