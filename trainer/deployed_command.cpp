// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/deployed_command.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "trainer/deployed_comparison.hpp"
#include "trainer/npy.hpp"
#include "trainer/progress_line.hpp"
#include "trainer/rule_description.hpp"
#include "trainer/saved_inputs.hpp"
#include "trainer/subject.hpp"

namespace rdi::train {
namespace {

void expectShape(const std::string& path, const std::vector<int64_t>& found,
                 const std::vector<int64_t>& expected) {
  if (found != expected)
    throw Error(
        text(path, ": found an array of ", graph::toString(found), ", expected ", graph::toString(expected)));
}

ScoreTable readScores(const SavedInputs& saved, const DeployedFile& file,
                      const std::vector<uint8_t>& labels) {
  NpyReader<float> reader(saved.scores);
  ScoreTable table;
  table.count = static_cast<int64_t>(labels.size());
  table.exitCount = static_cast<int>(file.costs.size());
  table.classCount = static_cast<int>(file.classCount);
  expectShape(saved.scores, reader.shape(), {table.count, table.exitCount, table.classCount});
  table.labels = labels;
  table.values = reader.readAll();
  return table;
}

std::vector<uint8_t> readLabels(const std::string& path, int64_t classCount) {
  NpyReader<uint8_t> reader(path);
  expectShape(path, reader.shape(), {reader.rows()});
  std::vector<uint8_t> labels = reader.readAll();
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= classCount)
      throw Error(
          text(path, ": found label ", int{labels[i]}, " at row ", i, ", expected 0 to ", classCount - 1));
  return labels;
}

DeployedAnswers runAll(const DeployedNet& net, const SavedInputs& saved, const DeployedFile& file,
                       int64_t count, int64_t batchSize, const std::function<void(int64_t)>& done) {
  NpyReader<float> reader(saved.images);
  std::vector<int64_t> shape = {count};
  shape.insert(shape.end(), file.inputShape.begin(), file.inputShape.end());
  expectShape(saved.images, reader.shape(), shape);
  DeployedAnswers all;
  for (int64_t first = 0; first < count; first += batchSize) {
    const int64_t number = std::min(batchSize, count - first);
    const DeployedAnswers part = net.run(reader.read(first, number), number);
    all.scores.insert(all.scores.end(), part.scores.begin(), part.scores.end());
    all.exits.insert(all.exits.end(), part.exits.begin(), part.exits.end());
    done(first + number);
  }
  return all;
}

}  // namespace

void declareDeployed(CLI::App& app, DeployedArguments& a) {
  app.add_option("MODEL", a.model, "Early-exit ONNX file, made by rdi-convert");
  app.add_option("--inputs", a.inputs, "Folder that rdi-evaluate --output FOLDER --save-inputs wrote");
  app.add_option("--plugin", a.plugin, "librdi.so; otherwise the one of this installation");
  app.add_option("--tolerance", a.tolerance, "Scores may differ by this share of an image's largest score")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--batch-size", a.batchSize, "Images at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", a.threads, "CPU threads; 0 = all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--json", a.json, "Write the results to this file too");
}

void checkDeployed(const DeployedArguments& a) {
  if (a.model.empty()) throw CLI::RequiredError("MODEL");
  if (a.inputs.empty()) throw CLI::RequiredError("--inputs");
  if (a.batchSize < 1) throw CLI::ValidationError("--batch-size", "expected 1 or more");
}

void declareEngine(CLI::App& app, std::string& engine, DeployedArguments& a) {
  CLI::Option* option =
      app.add_option("--engine", engine,
                     "opencv: run an early-exit MODEL on --inputs, as the command deployed does")
          ->check(CLI::IsMember({"libtorch", "opencv"}))
          ->capture_default_str();
  for (auto* other :
       {app.add_option("--inputs", a.inputs, "opencv: folder that --save-inputs wrote to"),
        app.add_option("--plugin", a.plugin, "opencv: librdi.so; otherwise that of the installation")})
    other->needs(option);
}

DeployedArguments fromEvaluate(const EvaluateArguments& evaluation, DeployedArguments arguments) {
  arguments.model = evaluation.model;
  arguments.json = evaluation.json;
  arguments.threads = evaluation.evaluator.threads;
  arguments.batchSize = evaluation.evaluator.batchSize;
  return arguments;
}

int compareDeployed(const DeployedArguments& a) {
  const DeployedFile file = readDeployedFile(a.model);
  const std::vector<SavedInputs> sets = listSavedInputs(a.inputs);
  const std::vector<uint8_t> labels = readLabels(savedLabels(a.inputs), file.classCount);
  checkWritable(a.json);
  const DeployedNet net = openDeployed(file, a.plugin, a.threads);

  std::vector<DeployedComparison> comparisons;
  ProgressLine line;
  for (const SavedInputs& saved : sets) {
    const ScoreTable libtorch = readScores(saved, file, labels);
    const DeployedAnswers opencv = runAll(net, saved, file, libtorch.count, a.batchSize, [&](int64_t done) {
      line.show(text("inputs ", comparisons.size() + 1, "/", sets.size(), " (", saved.name, ")  ", done, "/",
                     libtorch.count, " images"));
    });
    comparisons.push_back(compareDeployed(saved.name, libtorch, opencv, file));
  }
  line.finish();

  const double rounding = roundingOf(comparisons, file);
  std::printf("%s in %s\n%s\n%s", a.model.c_str(), net.engine.c_str(), describe(file.rule).c_str(),
              toTable(comparisons, file, rounding).c_str());
  const std::vector<std::string> problems = unexplained(comparisons, file, a.tolerance, rounding);
  if (!a.json.empty()) {
    nlohmann::json json = toJson(comparisons, file, rounding);
    json["engine"] = net.engine;
    json["unexplained"] = problems;
    graph::writeFileAtomically(a.json, json.dump(2) + "\n");
  }
  if (!problems.empty())
    throw Error(text(a.model, ": deployed differs from trained: ", problems[0],
                     problems.size() > 1 ? text(" (and ", problems.size() - 1, " more)") : ""));
  return 0;
}

}  // namespace rdi::train
