// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "converters/arguments.hpp"
#include "converters/compare.hpp"
#include "converters/inspect.hpp"
#include "converters/inspect_svg.hpp"
#include "converters/inspect_text.hpp"
#include "graph/model_io.hpp"
#include "graph/nested_if.hpp"
#include "graph/run_main.hpp"

namespace {

using Json = nlohmann::json;

struct File {
  onnx::ModelProto model;
  Json found;
};

/// As every program here reads it: foreign exports in normal form.
onnx::ModelProto parse(const std::string& bytes, const std::string& path) {
  onnx::ModelProto model = rdi::graph::parseUnchecked(bytes.data(), bytes.size(), path);
  if (!rdi::graph::isNestedIf(model)) return rdi::graph::parseModel(bytes.data(), bytes.size(), path);
  rdi::graph::checkNestedIf(model, path);
  return model;
}

File read(const std::string& path) {
  const std::string bytes = rdi::graph::readFile(path);
  File file{parse(bytes, path), {}};
  file.found = rdi::convert::inspect(file.model, path, bytes.size());
  return file;
}

std::string dump(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

int run(const std::vector<std::string>& paths, const std::string& svg, bool asJson) {
  const File first = read(paths[0]);
  if (paths.size() == 2) {
    const File second = read(paths[1]);
    const Json compared = rdi::convert::compare({first.model, first.found}, {second.model, second.found});
    std::cout << (asJson ? dump(compared) : rdi::convert::compareText(compared));
    return 0;
  }
  if (!svg.empty()) {
    rdi::convert::checkOutputIsNotInput(paths[0], svg);
    rdi::graph::writeFileAtomically(svg, rdi::convert::toSvg(first.found));
  }
  std::cout << (asJson ? dump(first.found) : rdi::convert::toText(first.found));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> paths;
  std::string svg;
  bool asJson = false;
  CLI::App app{
      "Says what a multi-exit, single-exit, early-exit or nested-If ONNX file is: exits, cost, thresholds, "
      "engines, history.\n"
      "  rdi-inspect FILE [--svg PICTURE.svg]   one file, also as a picture\n"
      "  rdi-inspect A B                        what two files have not in common, weights included"};
  app.add_option("FILE", paths, "one ONNX file, or two to compare")->required()->expected(1, 2);
  auto* picture =
      app.add_option("--svg", svg, "draw stages, branches and exits with their costs into this file");
  app.add_flag("--json", asJson, "print JSON instead of text");
  app.final_callback([&] {
    if (*picture && paths.size() > 1) throw CLI::ExcludesError("--svg", "a second file");
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return rdi::runMain("rdi-inspect", [&] { return run(paths, svg, asJson); });
}
