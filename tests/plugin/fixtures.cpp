// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// plugin_fixtures FOLDER: writes early.onnx, its static net static.onnx and its first exit's net exit1.onnx.
#include <filesystem>

#include "graph/early_exit.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/run_main.hpp"
#include "tests/layers/early_exit_nets.hpp"

int main(int argc, char** argv) {
  return rdi::runMain("plugin_fixtures", [&] {
    if (argc != 2) return 2;
    const std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder);
    const onnx::ModelProto model = rdi::test::zooModel("rdi-smallcnn");
    rdi::graph::saveModel(rdi::test::earlyExitModel(model), folder / "early.onnx");
    rdi::graph::saveModel(rdi::graph::buildStatic(model, "main"), folder / "static.onnx");
    rdi::graph::saveModel(rdi::graph::buildStatic(model, "exit1"), folder / "exit1.onnx");
    return 0;
  });
}
