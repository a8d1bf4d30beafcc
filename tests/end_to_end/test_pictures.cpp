// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/end_to_end/test_pictures.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::test {
namespace {

namespace fs = std::filesystem;

// The packed form holds all batches; only the one that is asked for is put before the unpacker.
train::ImageSet unpackedCifar10(const std::string& packed) {
  const TemporaryFolder folder;
  for (const char* file : {"labels.xz", "test_batch.webp"})
    fs::create_symlink(fs::absolute(fs::path(packed) / file), folder.path(file));
  const std::string command = "/usr/bin/python3 '" + packed + "/unpack_cifar10.py' '" + folder.path() +
                              "' '" + folder.path("bin") + "' > '" + folder.path("log") + "' 2>&1";
  if (std::system(command.c_str()) != 0) throw Error(graph::readFile(folder.path("log")));
  return train::dataSource("cifar10:" + folder.path("bin")).load(train::Split::test);
}

}  // namespace

std::optional<train::ImageSet> testPictures(const std::string& data) {
  const bool isPackage = data == "fashion-mnist";
  const std::string place = isPackage ? "/usr/share/datasets/fashion-mnist" : dataFolder(data);
  if (!fs::exists(place)) {
    std::printf("%s does not exist; %s\n", place.c_str(),
                isPackage ? "Debian's package dataset-fashion-mnist brings it" : "set RDI_DATA");
    return {};
  }
  if (data == "cifar10") return unpackedCifar10(place);
  return train::dataSource(data == "mnist" ? "mnist:" + place : data).load(train::Split::test);
}

}  // namespace rdi::test
