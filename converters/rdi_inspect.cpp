// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <CLI/CLI.hpp>
#include <iostream>

#include "converters/inspect.hpp"
#include "converters/inspect_text.hpp"
#include "graph/model_io.hpp"
#include "graph/nested_if.hpp"
#include "graph/run_main.hpp"

int main(int argc, char** argv) {
  std::string path;
  bool asJson = false;
  CLI::App app{
      "Says what a multi-exit, single-exit, early-exit or nested-If ONNX file is: exits, cost, thresholds, "
      "engines, "
      "history."};
  app.add_option("FILE", path, "ONNX file")->required();
  app.add_flag("--json", asJson, "print JSON instead of text");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return rdi::runMain("rdi-inspect", [&] {
    const std::string bytes = rdi::graph::readFile(path);
    const auto model = rdi::graph::parseUnchecked(bytes.data(), bytes.size(), path);
    const auto check = rdi::graph::isNestedIf(model) ? rdi::graph::checkNestedIf : rdi::graph::checkModel;
    check(model, path);
    const auto found = rdi::convert::inspect(model, path, bytes.size());
    using Json = nlohmann::json;
    std::cout << (asJson ? found.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"
                         : rdi::convert::toText(found));
    return 0;
  });
}
