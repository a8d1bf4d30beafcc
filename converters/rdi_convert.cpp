// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>

#include "converters/arguments.hpp"
#include "converters/average.hpp"
#include "converters/convert.hpp"
#include "converters/import.hpp"
#include "converters/inspect.hpp"
#include "converters/weights.hpp"
#include "graph/cost.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/run_main.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/zoo.hpp"

namespace {

struct Arguments {
  std::string input, output;
  std::optional<std::string> exits, operatingPoint, thresholds, criterion, fusion;
  std::optional<int> patience;
  std::string engine = "auto", precision = "float32";
  std::optional<std::string> calibrate;
  size_t calibrationCount = 256;
  bool nestedIf = false;
  std::optional<std::string> staticExit, part, architecture;
  std::vector<std::string> averaged;  // with the input
  std::string key;
  rdi::convert::ImportOptions import;
  uint64_t seed = 1;
};

/// "calibrating: 40 of 256 pictures, 9 s left", once a second on stderr, which a terminal overwrites.
rdi::graph::RangeProgress showProgress(size_t count) {
  using Clock = std::chrono::steady_clock;
  return [count, start = Clock::now(), last = Clock::now()](size_t done) mutable {
    const auto now = Clock::now();
    const bool finished = done == count;
    if (done == 0 || (!finished && now - last < std::chrono::seconds(1))) return;
    last = now;
    const double seconds = std::chrono::duration<double>(now - start).count();
    const auto left =
        static_cast<int64_t>(seconds / static_cast<double>(done) * static_cast<double>(count - done));
    std::cerr << rdi::text("\rcalibrating: ", done, " of ", count, " pictures, ", left, " s left   ",
                           finished ? "\n" : "")
              << std::flush;
  };
}

rdi::convert::ConvertOptions readOptions(const Arguments& arguments) {
  rdi::convert::ConvertOptions options;
  if (arguments.exits) options.exits = rdi::convert::parseNames(*arguments.exits, "--exits");
  options.operatingPoint = arguments.operatingPoint;
  if (arguments.thresholds)
    options.thresholds = rdi::convert::parseNumbers(*arguments.thresholds, "--thresholds");
  if (arguments.criterion) options.criterion = rdi::graph::criterionFromName(*arguments.criterion);
  if (arguments.fusion) options.fusion = rdi::graph::fusionFromName(*arguments.fusion);
  options.patience = arguments.patience;
  options.engine = arguments.engine;
  options.precision = rdi::graph::precisionFromName(arguments.precision);
  if (arguments.calibrate) {
    options.calibration = rdi::convert::readPictures(*arguments.calibrate, arguments.calibrationCount);
    options.progress = showProgress(options.calibration->pixels.size());
  }
  return options;
}

/// The network that is to be written or converted further; `notes` is what to tell about it.
onnx::ModelProto readModel(const Arguments& arguments, std::string& notes) {
  if (!arguments.architecture) {
    if (rdi::convert::holdsOnlyWeights(arguments.input))
      throw rdi::Error(
          rdi::text(arguments.input,
                    ": holds weights and no network; say with --arch which network of the zoo they "
                    "are for"));
    return rdi::graph::loadModel(arguments.input);
  }
  const auto weights = rdi::convert::readWeights(arguments.input, arguments.key);
  auto imported = rdi::convert::importWeights(weights, *arguments.architecture, arguments.import);
  notes = rdi::text("filled with the weights of ", arguments.input,
                    weights.key.empty() || weights.key == "." ? "" : ", " + weights.key, "\n");
  for (const auto& ignored : imported.ignored) notes += rdi::text("ignored ", ignored, "\n");
  for (const auto& fresh : imported.fresh) notes += rdi::text("fresh ", fresh, "\n");
  return std::move(imported.model);
}

/// The mean of the input, which is `model`, and the other files.
onnx::ModelProto averageOf(const Arguments& arguments, const onnx::ModelProto& model) {
  std::vector<rdi::convert::NamedModel> models{{arguments.input, model}};
  for (const auto& file : arguments.averaged) {
    rdi::convert::checkOutputIsNotInput(file, arguments.output);
    models.push_back({file, rdi::graph::loadModel(file)});
  }
  return rdi::convert::average(models);
}

onnx::ModelProto makeModel(const Arguments& arguments, std::string& notes) {
  if (arguments.input.empty()) return rdi::zoo::build(*arguments.architecture, arguments.seed);
  rdi::convert::checkOutputIsNotInput(arguments.input, arguments.output);
  const auto options = readOptions(arguments);
  const auto model = readModel(arguments, notes);
  if (!arguments.averaged.empty()) return averageOf(arguments, model);
  const bool asItIs = !arguments.staticExit && !arguments.part && !options.thresholds;
  if (arguments.architecture && asItIs) return model;
  if (arguments.staticExit) return rdi::convert::toStatic(model, arguments.input, *arguments.staticExit);
  if (arguments.part) return rdi::convert::toPart(model, arguments.input, options.exits, *arguments.part);
  if (arguments.nestedIf) return rdi::convert::toNestedIf(model, arguments.input, options);
  return rdi::convert::toEarlyExit(model, arguments.input, options);
}

/// "wrote out.onnx: early-exit, 3 exits (exit1 < 0.023, exit2 < 0.014, main), full pass 11.135 MMAC, 1234
/// bytes"
std::string summary(const onnx::ModelProto& model, const std::string& output, size_t bytes) {
  const auto found = rdi::convert::inspect(model, output, bytes);
  std::string exits;
  for (const auto& exit : found.at("exits")) {
    exits += (exits.empty() ? "" : ", ") + exit.at("name").get<std::string>();
    const auto& threshold = exit.at("threshold");
    if (!threshold.is_null())
      exits += " < " + (threshold.is_string() ? threshold.get<std::string>() : threshold.dump());
  }
  const size_t count = found.at("exits").size();
  return rdi::text("wrote ", output, ": ", found.at("kind").get<std::string>(), ", ", count,
                   count == 1 ? " exit (" : " exits (", exits, "), full pass ",
                   found.at("exits").back().at("paid_macs").get<double>() / 1e6, " MMAC, ", bytes,
                   " bytes\n");
}

/// "image 1x1x28x28, relu1 1x32x24x24"
std::string tensors(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& values,
                    const rdi::graph::ShapeMap& shapes) {
  std::string result;
  for (const auto& value : values)
    result +=
        (result.empty() ? "" : ", ") + value.name() + " " + rdi::graph::toString(shapes.at(value.name()));
  return result;
}

/// "wrote out.onnx: stage1, from image 1x1x28x28 to pool1 1x32x12x12, 0.9 MMAC, 1234 bytes"
std::string summaryOfPart(const onnx::ModelProto& model, const std::string& output, size_t bytes) {
  const auto shapes = rdi::graph::recordedShapes(model);
  double macs = 0;
  for (const auto& node : model.graph().node())
    macs += static_cast<double>(rdi::graph::nodeMacs(node, shapes).total());
  return rdi::text("wrote ", output, ": ", model.graph().name(), ", from ",
                   tensors(model.graph().input(), shapes), " to ", tensors(model.graph().output(), shapes),
                   ", ", macs / 1e6, " MMAC, ", bytes, " bytes\n");
}

int run(const Arguments& arguments) {
  std::string notes;
  const auto model = makeModel(arguments, notes);
  const std::string bytes = rdi::graph::serialize(model);
  const std::string written =
      (arguments.part ? summaryOfPart : summary)(model, arguments.output, bytes.size());
  rdi::graph::writeFileAtomically(arguments.output, bytes);
  std::cout << written << notes;
  return 0;
}

std::vector<CLI::Option*> addEarlyExitOptions(CLI::App& app, Arguments& arguments) {
  auto& group = *app.add_option_group("early exit");
  std::vector<CLI::Option*> options;
  const auto add = [&](const std::string& name, auto& value, const std::string& help) {
    options.push_back(group.add_option(name, value, help));
    return options.back();
  };
  add("--exits", arguments.exits, "exits to keep, in order, the main one last: exit1,exit3,main");
  auto* point = add("--operating-point", arguments.operatingPoint,
                    "the rule of this name in the file, instead of the one that it answers by");
  add("--thresholds", arguments.thresholds,
      "one for every exit but the last: 0.3,inf (-inf first: --thresholds=-inf,0.3); default: the file's");
  add("--criterion", arguments.criterion, "what must be below the threshold; default: the file's")
      ->check(CLI::IsMember({"entropy", "max_probability", "margin"}));
  add("--fusion", arguments.fusion, "scores of the last exit or the mean over exits; default: the file's")
      ->check(CLI::IsMember({"last", "mean"}));
  add("--patience", arguments.patience, "exits in a row that must agree; default: the file's")
      ->check(CLI::Range(1, 1000));
  for (auto* option : options)
    for (const char* ofARule : {"--thresholds", "--criterion", "--fusion", "--patience"})
      if (option->get_name() == ofARule) option->excludes(point);
  add("--engine", arguments.engine, "what runs the stages")
      ->check(CLI::IsMember({"auto", "onednn", "opencv"}))
      ->capture_default_str();
  add("--precision", arguments.precision,
      "what convolutions compute with; a processor without instructions for it uses float32")
      ->check(CLI::IsMember({"float32", "bf16", "int8"}))
      ->capture_default_str();
  add("--calibrate", arguments.calibrate,
      "int8: pictures to measure values with: a file of images (idx, CIFAR-10's .bin, .npy), or "
      "mnist:FOLDER, "
      "fashion-mnist[:FOLDER], cifar10:FOLDER for their training pictures");
  add("--calibration-images", arguments.calibrationCount, "of these pictures, so many, spread evenly")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  return options;
}

void addImportOptions(CLI::App& app, Arguments& arguments, CLI::Option* architecture, CLI::Option* input) {
  auto& group = *app.add_option_group("weights of others");
  const auto add = [&](const std::string& name, auto& value, const std::string& help) {
    group.add_option(name, value, help)->needs(architecture)->needs(input);
  };
  add("--key", arguments.key, "the state dict in a PyTorch file that holds several; . is the top level");
  add("--map", arguments.import.map,
      "FROM=TO renames tensors; FROM is a prefix, or re: and a regular expression");
  add("--ignore", arguments.import.ignore,
      "prefix, or re: and a regular expression: tensors that may be left over");
  add("--fresh", arguments.import.fresh,
      "likewise: tensors of the network that may be missing; they are made anew");
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{
      "Writes the early-exit ONNX that OpenCV loads with librdi from a multi-exit ONNX, or another form of "
      "it.\n"
      "  rdi-convert IN.onnx -o OUT.onnx [--thresholds 0.02,0.01]   early exit, for OpenCV\n"
      "  rdi-convert IN.onnx -o OUT.onnx --if                       early exit, for any ONNX runtime (batch "
      "1)\n"
      "  rdi-convert IN.onnx -o OUT.onnx --precision int8 --calibrate cifar10:FOLDER   8-bit convolutions\n"
      "  rdi-convert IN.onnx -o OUT.onnx --extract stage2           one piece of it, for any ONNX runtime\n"
      "  rdi-convert IN.onnx -o OUT.onnx --static main              one exit alone, simplified, for any ONNX "
      "runtime\n"
      "  rdi-convert IN.onnx --average B.onnx -o OUT.onnx           the mean of the weights of two "
      "trainings\n"
      "  rdi-convert --arch rdi-resnet38 -o OUT.onnx [--seed 1]     fresh weights, to train with rdi-train\n"
      "  rdi-convert WEIGHTS --arch rdi-resnet38 -o OUT.onnx        somebody's weights: PyTorch, "
      "safetensors, "
      "ONNX"};
  auto* input = app.add_option(
      "IN", arguments.input,
      "multi-exit ONNX file (with --extract an early-exit file, too); with --arch, a file of weights");
  app.add_option("-o,--output", arguments.output, "file to write")->required();
  const auto early = addEarlyExitOptions(app, arguments);
  auto* staticExit = app.add_option("--static", arguments.staticExit, "write this exit alone");
  auto* nestedIf =
      app.add_flag("--if", arguments.nestedIf, "write standard ONNX with nested If instead of rdi's layers");
  auto* part =
      app.add_option("--extract", arguments.part,
                     "write this piece alone: stage1, stage2, ..., or an exit's branch by the exit's name");
  auto* averaged = app.add_option("--average", arguments.averaged,
                                  "multi-exit files: write the mean of their weights and IN's");
  auto* architecture = app.add_option("--arch", arguments.architecture,
                                      "a network of the zoo, fresh or with the weights of IN");
  auto* seed = app.add_option("--seed", arguments.seed, "of the fresh weights")
                   ->check(CLI::NonNegativeNumber)
                   ->needs(architecture)
                   ->capture_default_str();
  addImportOptions(app, arguments, architecture, input);
  for (auto* option : early) {
    option->excludes(staticExit)->excludes(averaged);
    if (option->get_name() != "--exits") option->excludes(part);
    for (const char* deployed : {"--engine", "--precision", "--calibrate", "--calibration-images"})
      if (option->get_name() == deployed) option->excludes(nestedIf);
  }
  nestedIf->excludes(staticExit)->excludes(part);
  part->excludes(staticExit);
  averaged->needs(input)->excludes(staticExit)->excludes(part)->excludes(nestedIf)->excludes(architecture);
  seed->excludes(input);
  app.final_callback([&] {
    if (!*input && !*architecture) throw CLI::RequiredError("IN or --arch");
    const bool eightBits = arguments.precision == "int8";
    if (eightBits && !arguments.calibrate) throw CLI::RequiredError("--calibrate (for --precision int8)");
    if (!eightBits && arguments.calibrate) throw CLI::RequiresError("--calibrate", "--precision int8");
    const bool cuts = *staticExit || *part || *nestedIf ||
                      std::any_of(early.begin(), early.end(), [](auto* option) { return bool(*option); });
    if (cuts && !*input) throw CLI::ExcludesError("--arch without weights", "options of a conversion");
    if (cuts && *architecture && !*staticExit && !*part && !arguments.thresholds)
      throw CLI::RequiredError("--thresholds");
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return rdi::runMain("rdi-convert", [&] { return run(arguments); });
}
