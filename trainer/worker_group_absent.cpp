// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/error.hpp"
#include "trainer/worker_group.hpp"

namespace rdi::train {

std::unique_ptr<WorkerGroup> joinWorkers(const WorkerPlace& place, std::chrono::seconds) {
  throw Error(
      text("WORLD_SIZE: found ", place.size,
           ", but this rdi-train was built without Gloo, which lets processes train together; install "
           "libgloo-dev and build again"));
}

}  // namespace rdi::train
