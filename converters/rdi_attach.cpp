// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "converters/arguments.hpp"
#include "converters/attach.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/run_main.hpp"

namespace {

struct Arguments {
  std::string input, output, at, mean, deviation;
  double budget = 3;
  rdi::convert::AttachOptions options;
};

std::string percent(double part, double whole) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.2f %%", whole > 0 ? 100 * part / whole : 0);
  return buffer;
}

/// One line an exit, then what all of them cost.
std::string summary(const rdi::convert::Attached& attached) {
  const auto backbone = static_cast<double>(attached.backboneMacs);
  std::string lines;
  double total = 0;
  for (const auto& exit : attached.exits) {
    const auto macs = static_cast<double>(exit.macs);
    total += macs;
    lines += rdi::text(exit.name, ": reads ", exit.point.tensor, " (", rdi::graph::toString(exit.point.shape),
                       ") at ", percent(static_cast<double>(exit.point.macs), backbone),
                       " of the network's cost; its branch adds ", macs / 1e6, " MMAC, ",
                       percent(macs, backbone), "\n");
  }
  return lines + rdi::text("all branches together cost ", total / 1e6, " MMAC, ", percent(total, backbone),
                           " of the network's ", backbone / 1e6, "\n");
}

int run(const Arguments& arguments) {
  rdi::convert::checkOutputIsNotInput(arguments.input, arguments.output);
  auto options = arguments.options;
  options.share = arguments.budget / 100;
  if (!arguments.at.empty()) options.at = rdi::convert::parseNames(arguments.at, "--at");
  if (!arguments.mean.empty()) options.mean = rdi::convert::parseNumbers(arguments.mean, "--mean");
  if (!arguments.deviation.empty())
    options.deviation = rdi::convert::parseNumbers(arguments.deviation, "--std");
  const auto attached =
      rdi::convert::attachExits(rdi::graph::loadModel(arguments.input), arguments.input, options);
  const std::string bytes = rdi::graph::serialize(attached.model);
  rdi::graph::writeFileAtomically(arguments.output, bytes);
  std::cout << "wrote " << arguments.output << ": multi-exit, " << bytes.size() << " bytes\n"
            << summary(attached);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{
      "Hangs branch classifiers with fresh weights on a single-exit ONNX classifier.\n"
      "  rdi-attach IN.onnx --exits 3 -o OUT.onnx\n"
      "Then train them alone: rdi-train --freeze-backbone --init OUT.onnx --defence standard ..."};
  app.add_option("IN", arguments.input, "single-exit ONNX file")->required();
  app.add_option("-o,--output", arguments.output, "file to write")->required();
  auto* exits =
      app.add_option("--exits", arguments.options.exits, "so many exits, at equal distances in cost")
          ->check(CLI::Range(1, 60));
  auto* at = app.add_option("--at", arguments.at, "tensors to read, in the order of the exits: relu3,relu7");
  app.add_option("--budget", arguments.budget,
                 "cost of all branches together, at most, in % of the network's")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option(
      "--mean", arguments.mean,
      "what the network was fed is (pixel - mean) / std, in pixel units 0 .. 255, one value or one a "
      "channel; default 0");
  app.add_option("--std", arguments.deviation,
                 "see --mean; default 255, which is pixels in 0 .. 1; 1: pixels as they are");
  app.add_option("--seed", arguments.options.seed, "of the branches' weights")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  at->excludes(exits);
  app.final_callback([&] {
    if (!*at && !*exits) throw CLI::RequiredError("--exits or --at");
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return rdi::runMain("rdi-attach", [&] { return run(arguments); });
}
