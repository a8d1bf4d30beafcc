// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/end_to_end/test_pictures.hpp"

#include <cstdlib>
#include <filesystem>

#include "graph/error.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::test {
namespace {

namespace fs = std::filesystem;

// The packed form holds all batches; only the one that is asked for is put before the unpacker.
train::ImageSet unpackedCifar10(const std::string& packed) {
  const TemporaryFolder folder;
  for (const char* file : {"labels.xz", "test_batch.webp"}) {
    const fs::path source = fs::absolute(fs::path(packed) / file);
    if (!fs::exists(source)) throw Error(source.string() + " does not exist; set RDI_DATA");
    fs::create_symlink(source, folder.path(file));
  }
  const std::string command = "/usr/bin/python3 '" + packed + "/unpack_cifar10.py' '" + folder.path() +
                              "' '" + folder.path("bin") + "' > '" + folder.path("log") + "' 2>&1";
  if (std::system(command.c_str()) != 0)
    throw Error("unpack_cifar10.py failed; it needs python3-numpy and python3-opencv");
  return train::dataSource("cifar10:" + folder.path("bin")).load(train::Split::test);
}

}  // namespace

train::ImageSet testPictures(const std::string& data) {
  if (data == "cifar10") return unpackedCifar10(dataFolder("cifar10"));
  return train::dataSource(data == "mnist" ? "mnist:" + dataFolder("mnist") : data).load(train::Split::test);
}

}  // namespace rdi::test
