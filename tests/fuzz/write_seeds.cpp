// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// write_seeds FOLDER: the seeds of every libFuzzer program, each in a folder of its own.

#include <filesystem>

#include "graph/model_io.hpp"
#include "graph/run_main.hpp"
#include "tests/fuzz/seeds.hpp"

int main(int argc, char** argv) {
  return rdi::runMain("write_seeds", [&] {
    if (argc != 2) return 2;
    const auto write = [&](const std::string& target, const std::vector<std::string>& seeds) {
      const auto folder = std::filesystem::path(argv[1]) / target;
      std::filesystem::create_directories(folder);
      for (size_t i = 0; i < seeds.size(); ++i)
        rdi::graph::writeFileAtomically((folder / std::to_string(i)).string(), seeds[i]);
    };
    for (const auto& target : rdi::test::converterTargets()) write(target.name, target.seeds);
    write("plugin", rdi::test::pluginSeeds());
    return 0;
  });
}
