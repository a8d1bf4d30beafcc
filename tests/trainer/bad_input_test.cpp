// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What rdi-train says to input that it cannot use: what was found, what was expected, what to do.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/trainer/tiny_programs.hpp"

namespace rdi::train {
namespace {

namespace fs = std::filesystem;

class BadInput : public test::TinyPrograms {
protected:
  // The whole message: one line, all of these parts. Wrong usage has a second line, which points to --help.
  void expectSaid(const std::vector<std::string>& command, int exitCode,
                  const std::vector<std::string>& parts) {
    const test::Result result = run(command);
    EXPECT_EQ(result.exitCode, exitCode) << result.err;
    EXPECT_TRUE(result.out.empty()) << result.out;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), exitCode) << result.err;
    for (const std::string& part : parts)
      EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "\nlacks: " << part;
  }

  std::vector<std::string> with(const std::vector<std::string>& more) const {
    return training(folder_.path("run"), 5, more);
  }
};

TEST_F(BadInput, ACheckpointOfAnotherModel) {
  const std::string one = folder_.path("one"), other = folder_.path("other");
  ASSERT_EQ(run(training(one, 5)).exitCode, 0);
  graph::saveModel(test::tinyNet(false), model_);
  ASSERT_EQ(run(training(other, 5)).exitCode, 0);
  fs::copy_file(other + "/checkpoint.rdi", one + "/checkpoint.rdi", fs::copy_options::overwrite_existing);
  expectSaid({RDI_TRAIN, "--resume", one}, 1, {one + "/checkpoint.rdi", "initial.onnx"});
}

TEST_F(BadInput, ACheckpointOfAnotherVersion) {
  const std::string folder = folder_.path("old");
  ASSERT_EQ(run(training(folder, 5)).exitCode, 0);
  std::string bytes = graph::readFile(folder + "/checkpoint.rdi");
  bytes[7] = '9';
  test::writeFile(folder + "/checkpoint.rdi", bytes);
  expectSaid({RDI_TRAIN, "--resume", folder}, 1, {"checkpoint.rdi", "version 9", "run.json"});
  test::writeFile(folder + "/checkpoint.rdi", "a letter to somebody");
  expectSaid({RDI_TRAIN, "--resume", folder}, 1, {"checkpoint.rdi", "no checkpoint"});
}

TEST_F(BadInput, AnOperatorThatCannotBeTrained) {
  onnx::ModelProto model = test::tinyNet(false);
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node())
    if (node.op_type() == "Relu") node.set_op_type("Erf");
  graph::saveModel(model, model_);
  expectSaid(with({}), 1, {model_, "Erf", "relu1"});
}

TEST_F(BadInput, DataOfAnotherShapeOrNumberOfClasses) {
  const auto pictures = [&](const std::string& name, int classes) {
    for (int c = 0; c < classes; ++c) {
      const std::string place = folder_.path(name) + "/class" + std::to_string(c);
      fs::create_directories(place);
      for (int i = 0; i < 4; ++i)
        test::writeFile(place + "/" + std::to_string(i) + ".pgm",
                        "P5 8 8 255\n" + std::string(64, char(c * 9)));
    }
    return "folder:" + folder_.path(name);
  };
  expectSaid(with({"--data", pictures("three", 3)}), 1, {"found 3 classes", "expected 10"});
  expectSaid(with({"--arch", "rdi-smallcnn"}), 1, {"found images of 1x8x8", "expected 1x28x28"});
}

TEST_F(BadInput, ARecipeKeyThatDoesNotExist) {
  const std::string recipe = folder_.path("recipe.ini");
  test::writeFile(recipe, "lerning-rate = 0.1\n");
  expectSaid(with({"--config", recipe}), 2, {"no key lerning-rate", "did you mean learning-rate?"});
  test::writeFile(recipe, "flavour = \"vanilla\"\n");
  expectSaid(with({"--config", recipe}), 2, {"no key flavour"});
  test::writeFile(recipe, "learning-rate = fast\n");
  expectSaid(with({"--config", recipe}), 2, {"learning-rate", "fast"});
}

TEST_F(BadInput, AnOptionThatDoesNotExist) {
  expectSaid(with({"--lable-smoothing", "0.1"}), 2, {"--lable-smoothing", "did you mean --label-smoothing?"});
  expectSaid({RDI_TRAIN, "run"}, 2, {"\"run\""});
}

TEST_F(BadInput, OptionsThatContradictEachOther) {
  expectSaid(with({"--arch", "rdi-smallcnn", "--init", model_}), 2, {"--arch", "--init"});
  expectSaid(with({"--epochs", "3"}), 2, {"--epochs", "--iterations"});
  expectSaid(with({"--schedule", "cosine", "--milestones", "3,4"}), 2, {"--milestones", "--schedule step"});
  expectSaid(with({"--warmup-share", "0.1"}), 2, {"--warmup-share", "--schedule one-cycle"});
  expectSaid({RDI_TRAIN, "--resume", "x", "--batch-size", "3"}, 2, {"--resume", "--batch-size"});
}

// What is typed is meant; what stands in a recipe gives way.
TEST_F(BadInput, ARecipesLengthGivesWayToTheCommandLines) {
  const std::string recipe = folder_.path("recipe.ini");
  test::writeFile(recipe, "epochs = 1000\narch = \"rdi-smallcnn\"\n");
  EXPECT_EQ(run(with({"--config", recipe})).exitCode, 0);
}

TEST_F(BadInput, NoSuchDevice) {
  expectSaid(with({"--device", "cuda:77"}), 1, {"cuda:77", "--device cpu"});
  expectSaid(with({"--device", "gpu"}), 1, {"found gpu", "cuda:N"});
}

TEST_F(BadInput, ARunFolderThatHoldsATrainingAlready) {
  ASSERT_EQ(run(with({})).exitCode, 0);
  expectSaid(with({}), 1, {"holds a training already", "--resume"});
  expectSaid({RDI_TRAIN, "--resume", folder_.path("nowhere")}, 1, {"nowhere", "not found"});
}

}  // namespace
}  // namespace rdi::train
