// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace rdi::train {

/// Which of the processes that train one model together this is, and where they meet.
struct WorkerPlace {
  int rank = 0, size = 1;  // 0-based; rank 0 opens the meeting place and writes the run folder
  std::string address;     // of rank 0's machine
  uint16_t port = 0;
};

/// From RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as `variable` gives them (nullptr where one is not set,
/// as std::getenv does). Without WORLD_SIZE, or with 1: alone. Throws rdi::Error naming what is missing or
/// makes no sense.
WorkerPlace workerPlace(const std::function<const char*(const char*)>& variable);

}  // namespace rdi::train
