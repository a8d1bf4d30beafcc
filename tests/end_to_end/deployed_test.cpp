// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// `rdi-evaluate deployed` as a user runs it: saved inputs with libtorch's scores, and the early-exit file in
// cv::dnn with the plugin.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "graph/attributes.hpp"
#include "graph/early_exit.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/process.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/npy.hpp"
#include "trainer/saved_inputs.hpp"
#include "trainer/score_table.hpp"

namespace {

namespace fs = std::filesystem;
namespace graph = rdi::graph;
using rdi::test::Process;
using rdi::test::Result;
using namespace rdi::train;

constexpr int64_t kImages = 60;

onnx::ModelProto trained() { return graph::loadModel(RDI_SOURCE_DIR "/models/rdi-smallcnn-mnist.onnx"); }

// The model with a Softmax after each exit.
onnx::ModelProto withSoftmax(onnx::ModelProto model) {
  for (auto& output : *model.mutable_graph()->mutable_output()) {
    onnx::NodeProto* node = model.mutable_graph()->add_node();
    node->set_op_type("Softmax");
    node->set_name("softmax_" + output.name());
    node->add_input(output.name());
    output.set_name(output.name() + "_probabilities");
    node->add_output(output.name());
  }
  return model;
}

class Deployed : public testing::Test {
protected:
  void SetUp() override { fs::create_directories(folder_.path("out/inputs")); }

  // Saves images, and what libtorch gives for them.
  void save(const onnx::ModelProto& model) {
    torch::NoGradGuard noGradient;
    torch::manual_seed(3);
    GraphModuleOptions options;
    options.logProbabilities =
        graph::kindOfScores(model, graph::exitNames(model)) == graph::Scores::probabilities;
    GraphModule module(model, options);
    module.eval();
    for (const char* name : {"clean", "pgd single:1"}) {
      // Scattered dots: exits answer now alike, now not.
      const torch::Tensor noise = torch::rand({kImages, 1, 28, 28});
      const torch::Tensor images = torch::where(noise > 0.9, noise, torch::zeros_like(noise));
      const std::vector<torch::Tensor> exits = module.forward(images);
      const torch::Tensor scores = torch::stack(exits, 1).contiguous();
      const SavedInputs saved = savedInputs(folder_.path("out"), name);
      write(saved.images, images);
      write(saved.scores, scores);
      table_.values.assign(scores.data_ptr<float>(), scores.data_ptr<float>() + scores.numel());
      table_.exitCount = static_cast<int>(exits.size());
      table_.classCount = static_cast<int>(scores.size(2));
    }
    table_.count = kImages;
    for (int64_t i = 0; i < kImages; ++i) table_.labels.push_back(static_cast<uint8_t>(i % 10));
    NpyWriter<uint8_t> labels(savedLabels(folder_.path("out")), {});
    labels.append(table_.labels.data(), kImages);
    labels.finish();
  }

  static void write(const std::string& path, const torch::Tensor& tensor) {
    NpyWriter<float> writer(path, tensor.sizes().slice(1).vec());
    writer.append(tensor.data_ptr<float>(), tensor.size(0));
    writer.finish();
  }

  // A third of the last set's images leave at each exit, if exits need not agree.
  graph::ExitRule spreadRule(graph::Criterion criterion, graph::Fusion fusion, int patience) const {
    graph::ExitRule rule;
    rule.criterion = criterion;
    rule.fusion = fusion;
    rule.patience = patience;
    std::vector<float> fused(10), probabilities(10);
    for (int k = 0; k + 1 < table_.exitCount; ++k) {
      std::vector<float> unsure;
      for (int64_t i = 0; i < kImages; ++i) {
        graph::fuseScores(table_.rows(i).data(), k, 10, fusion, graph::Scores::logits, fused.data());
        graph::toProbabilities(fused.data(), 10, graph::Scores::logits, probabilities.data());
        unsure.push_back(graph::uncertainty(probabilities.data(), 10, criterion));
      }
      std::sort(unsure.begin(), unsure.end());
      rule.thresholds.push_back((unsure[kImages / 3] + unsure[kImages / 3 + 1]) / 2);
    }
    return rule;
  }

  void saveDeployed(const onnx::ModelProto& model, graph::ExitRule rule) {
    rule.scores = graph::kindOfScores(model, graph::exitNames(model));
    graph::EarlyExitOptions options;
    options.rule = rule;
    graph::saveModel(graph::buildEarlyExit(model, options), file_);
  }

  Result run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), RDI_EVALUATE);
    return Process(folder_, arguments).wait();
  }
  Result compare() {
    return run({"deployed", file_, "--inputs", folder_.path("out"), "--plugin", RDI_PLUGIN, "--json", json_,
                "--batch-size", "25"});
  }
  nlohmann::json stated() const { return nlohmann::json::parse(graph::readFile(json_)); }

  void expectRefused(const std::vector<std::string>& arguments, const std::string& part, int exitCode = 1) {
    const Result result = run(arguments);
    EXPECT_EQ(result.exitCode, exitCode) << result.out << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "\nlacks " << part;
    if (exitCode == 1) {
      EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    }
  }

  rdi::test::TemporaryFolder folder_;
  std::string file_ = folder_.path("net.early-exit.onnx"), json_ = folder_.path("result.json");
  ScoreTable table_;
};

TEST_F(Deployed, AgreesWithLibtorchUnderEveryKindOfRule) {
  const onnx::ModelProto logits = trained();
  for (const onnx::ModelProto& model : {logits, withSoftmax(logits)}) {
    table_ = {};
    save(model);
    for (const auto& [criterion, fusion, patience] :
         {std::tuple(graph::Criterion::entropy, graph::Fusion::last, 1),
          {graph::Criterion::maxProbability, graph::Fusion::mean, 1},
          {graph::Criterion::margin, graph::Fusion::last, 2}}) {
      const graph::ExitRule rule = spreadRule(criterion, fusion, patience);
      saveDeployed(model, rule);
      const Result result = compare();
      ASSERT_EQ(result.exitCode, 0) << result.out << result.err;
      const nlohmann::json json = stated();
      ASSERT_EQ(json["sets"].size(), 2U);
      EXPECT_EQ(json["sets"][0]["inputs"], "clean");
      const nlohmann::json& set = json["sets"][1];
      EXPECT_EQ(set["inputs"], "pgd_single-1");
      EXPECT_EQ(set["image_count"], kImages);
      const RuleOutcome outcome = applyRule(table_, rule);
      EXPECT_GT(outcome.shares.back(), 0.02) << "the test is to see all exits";
      EXPECT_LT(outcome.shares.back(), 0.95);
      for (size_t k = 0; k < outcome.shares.size(); ++k)
        EXPECT_NEAR(set["libtorch"]["exit_shares"][k], outcome.shares[k], 1e-9);
      EXPECT_NEAR(set["libtorch"]["accuracy"], outcome.accuracy, 1e-9);
      // No threshold lies within rounding of these images.
      EXPECT_EQ(set["opencv"]["exit_shares"], set["libtorch"]["exit_shares"]);
      EXPECT_EQ(set["opencv"]["accuracy"], set["libtorch"]["accuracy"]);
      EXPECT_LT(set["largest_relative_difference"].get<double>(), 1e-4);
      EXPECT_GT(set["largest_score_difference"].get<double>(), 0) << "two engines round differently";
      EXPECT_NE(result.out.find("pgd_single-1"), std::string::npos) << result.out;
    }
  }
}

TEST_F(Deployed, ThePluginOfTheBuildIsFoundAndTheEngineMayBeNamed) {
  const onnx::ModelProto model = trained();
  save(model);
  saveDeployed(model, spreadRule(graph::Criterion::entropy, graph::Fusion::last, 1));
  const Result result =
      run({file_, "--engine", "opencv", "--inputs", folder_.path("out"), "--json", json_, "--threads", "1"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_EQ(stated()["sets"].size(), 2U);
  EXPECT_NE(result.out.find("librdi.so"), std::string::npos) << result.out;
}

TEST_F(Deployed, AGateThatDecidesOtherwiseIsAnError) {
  const onnx::ModelProto model = trained();
  save(model);
  const graph::ExitRule rule = spreadRule(graph::Criterion::entropy, graph::Fusion::last, 1);
  saveDeployed(model, rule);
  onnx::ModelProto early = graph::loadModel(file_);
  for (auto& tensor : *early.mutable_graph()->mutable_initializer())
    if (tensor.name() == "threshold_exit1") tensor = graph::floatTensor(tensor.name(), {1}, {1e9F});
  graph::saveModel(early, file_);
  const Result result = compare();
  EXPECT_EQ(result.exitCode, 1);
  for (const char* part : {file_.c_str(), "deployed differs from trained", "in libtorch, exit1 in OpenCV",
                           "beyond the rounding", "more)"})
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "\nlacks " << part;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 2) << result.err;  // and one of progress
  EXPECT_FALSE(stated()["unexplained"].empty()) << "the results are kept";
}

TEST_F(Deployed, ScoresOfAnotherModelAreAnError) {
  const onnx::ModelProto model = trained();
  save(model);
  saveDeployed(model, spreadRule(graph::Criterion::entropy, graph::Fusion::last, 1));
  const SavedInputs saved = savedInputs(folder_.path("out"), "clean");
  NpyReader<float> reader(saved.scores);
  std::vector<float> values = reader.readAll();
  for (float& value : values) value += 0.5F;  // moves no probability
  NpyWriter<float> writer(saved.scores, {3, 10});
  writer.append(values.data(), kImages);
  writer.finish();
  const Result result = compare();
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.err.find("clean, image"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("made from the model that was evaluated?"), std::string::npos) << result.err;
}

TEST_F(Deployed, BadInputIsRefusedWithOneLine) {
  const onnx::ModelProto model = trained();
  save(model);
  saveDeployed(model, spreadRule(graph::Criterion::entropy, graph::Fusion::last, 1));
  const std::string inputs = folder_.path("out");
  expectRefused({"deployed"}, "MODEL", 2);
  expectRefused({"deployed", file_}, "--inputs", 2);
  expectRefused({file_, "--engine", "opencv"}, "--inputs", 2);
  expectRefused({file_, "--inputs", inputs}, "--engine", 2);
  expectRefused({file_, "--engine", "fast"}, "--engine", 2);
  expectRefused({"deployed", folder_.path("no.onnx"), "--inputs", inputs}, "no.onnx");
  expectRefused({"deployed", file_, "--inputs", folder_.path("nowhere")}, "--save-inputs");
  expectRefused({"deployed", file_, "--inputs", inputs, "--plugin", folder_.path("librdi.so")},
                "give --plugin");
  expectRefused({"deployed", file_, "--inputs", inputs, "--json", "/nowhere/x.json"}, "/nowhere/x.json");
  const std::string multi = folder_.path("multi.onnx");
  graph::saveModel(model, multi);
  expectRefused({"deployed", multi, "--inputs", inputs}, "rdi-convert");

  onnx::ModelProto silent = graph::loadModel(file_);
  silent.clear_metadata_props();
  graph::saveModel(silent, multi);
  expectRefused({"deployed", multi, "--inputs", inputs}, "rdi.rule");

  const std::string clean = savedInputs(inputs, "clean").images;
  const std::string bytes = graph::readFile(clean);
  rdi::test::writeFile(clean, bytes.substr(0, bytes.size() - 4));
  expectRefused({"deployed", file_, "--inputs", inputs, "--plugin", RDI_PLUGIN}, "cut short");
  write(clean, torch::zeros({kImages, 3, 28, 28}));
  expectRefused({"deployed", file_, "--inputs", inputs, "--plugin", RDI_PLUGIN}, "expected 60x1x28x28");
  rdi::test::writeFile(clean, bytes);
  NpyWriter<uint8_t> labels(savedLabels(inputs), {});
  labels.append(std::vector<uint8_t>(kImages, 10).data(), kImages);
  labels.finish();
  expectRefused({"deployed", file_, "--inputs", inputs, "--plugin", RDI_PLUGIN}, "label 10 at row 0");
}

}  // namespace
