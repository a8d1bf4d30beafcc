// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/run_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
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

void RunFolder::removeLeftovers() const {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, ignored))
    if (entry.path().filename().string().find(".tmp.") != std::string::npos)
      fs::remove(entry.path(), ignored);
}

RunFolderLock::RunFolderLock(const RunFolder& folder)
    : file_(::open(folder.file("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (file_ < 0) throw Error(text(folder.path(), ": cannot be written (", std::strerror(errno), ")"));
  // Some file systems of clusters know no locks; there everybody is trusted.
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(file_);
  throw Error(
      text(folder.path(), ": another rdi-train is at work in this folder; wait for its end or stop it"));
}

RunFolderLock::~RunFolderLock() { ::close(file_); }

}  // namespace rdi::train
