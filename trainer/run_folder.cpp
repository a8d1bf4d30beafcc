// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/run_folder.hpp"

#include <system_error>

#include "graph/error.hpp"

namespace rdi::train {

namespace fs = std::filesystem;

void RunFolder::create() const {
  std::error_code failure;
  fs::create_directories(path_, failure);
  if (failure)
    throw Error(text(path(), ": cannot be created (", failure.message(), "); give a writable folder"));
}

void RunFolder::refuseSecondTraining() const {
  std::error_code ignored;
  if (fs::exists(checkpoint(), ignored) || fs::exists(model(), ignored))
    throw Error(
        text(path(), ": holds a training already; go on with --resume ", path(), " or give another folder"));
}

void RunFolder::expectTraining() const {
  std::error_code ignored;
  if (!fs::exists(checkpoint(), ignored))
    throw Error(text(checkpoint(), ": not found; expected the folder of a training that was started"));
}

}  // namespace rdi::train
