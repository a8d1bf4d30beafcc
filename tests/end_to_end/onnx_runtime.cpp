// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/end_to_end/onnx_runtime.hpp"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "graph/model_io.hpp"
#include "tests/converters/run_program.hpp"

namespace rdi::test {
namespace {

namespace fs = std::filesystem;

ProgramResult runScript(std::vector<std::string> arguments, const fs::path& folder) {
  arguments.insert(arguments.begin(),
                   {"node", std::string(RDI_SOURCE_DIR) + "/tests/end_to_end/run_onnx.js"});
  return runProgram("/usr/bin/env", arguments, folder.string());
}

/// A folder that goes when it does.
struct Scratch {
  Scratch() : path(fs::temp_directory_path() / ("rdi-onnxruntime-" + std::to_string(getpid()))) {
    fs::create_directories(path);
  }
  ~Scratch() { fs::remove_all(path); }
  const fs::path path;
};

}  // namespace

std::string whyNoOnnxRuntime() {
  static const bool found = runScript({}, fs::temp_directory_path()).exitCode == 0;
  return found ? ""
               : "node does not find the package onnxruntime-node: npm install --ignore-scripts "
                 "onnxruntime-node in a "
                 "folder above this checkout, or NODE_PATH=FOLDER/node_modules";
}

std::vector<float> runOnnxRuntime(const onnx::ModelProto& model, const graph::Shape& shape,
                                  const std::vector<float>& values) {
  const Scratch scratch;
  graph::saveModel(model, (scratch.path / "model.onnx").string());
  graph::writeFileAtomically((scratch.path / "input").string(),
                             {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  std::string dims;
  for (const int64_t dim : shape) dims += (dims.empty() ? "" : ",") + std::to_string(dim);
  const auto result = runScript({"model.onnx", "input", dims, "output"}, scratch.path);
  if (result.exitCode != 0) throw std::runtime_error("ONNX Runtime: " + result.err);
  const std::string bytes = graph::readFile((scratch.path / "output").string());
  std::vector<float> outputs(bytes.size() / sizeof(float));
  std::memcpy(outputs.data(), bytes.data(), outputs.size() * sizeof(float));
  return outputs;
}

}  // namespace rdi::test
