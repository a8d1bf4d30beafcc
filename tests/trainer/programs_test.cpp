// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/trainer/tiny_programs.hpp"

namespace rdi::train {
namespace {

using test::Process;
using test::Result;

class Programs : public test::TinyPrograms {
protected:
  void expectRefused(const std::vector<std::string>& arguments, int exitCode, const std::string& part) {
    const Result result = run(arguments);
    EXPECT_EQ(result.exitCode, exitCode) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "\nlacks: " << part;
    EXPECT_TRUE(result.out.empty()) << result.out;
    if (exitCode == 1) {
      EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    }
  }
};

TEST_F(Programs, AKilledTrainingResumesToTheWeightsOfAnUninterruptedOne) {
  constexpr int kIterations = 200;
  ASSERT_EQ(run(training(folder_.path("whole"), kIterations)).exitCode, 0);
  const std::string parts = folder_.path("parts");
  Process killed(folder_, training(parts, kIterations));
  waitForLines(parts, 12);
  killed.send(SIGKILL);
  EXPECT_EQ(killed.wait().exitCode, 128 + SIGKILL);
  ASSERT_FALSE(std::filesystem::exists(parts + "/model.onnx")) << "it was over before it was killed";
  const Result resumed = run({RDI_TRAIN, "--resume", parts});
  ASSERT_EQ(resumed.exitCode, 0) << resumed.err;
  EXPECT_EQ(resumed.out, parts + "/model.onnx\n");
  EXPECT_EQ(test::weightBytes(graph::loadModel(parts + "/model.onnx")),
            test::weightBytes(graph::loadModel(folder_.path("whole/model.onnx"))));
}

TEST_F(Programs, AnInterruptedTrainingSavesAndSaysHowToGoOn) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string parts = folder_.path("parts" + std::to_string(signal));
    Process stopped(folder_, training(parts, 100000));
    waitForLines(parts, 7);
    stopped.send(signal);
    const Result result = stopped.wait();
    EXPECT_EQ(result.exitCode, 130);
    EXPECT_NE(result.err.find("rdi-train --resume " + parts), std::string::npos) << result.err;
    EXPECT_TRUE(std::filesystem::exists(parts + "/checkpoint.rdi"));
    EXPECT_FALSE(std::filesystem::exists(parts + "/model.onnx"));
  }
}

TEST_F(Programs, ADamagedCheckpointGivesOneLine) {
  const std::string folder = folder_.path("run");
  ASSERT_EQ(run(training(folder, 3)).exitCode, 0);
  std::string bytes = graph::readFile(folder + "/checkpoint.rdi");
  test::writeFile(folder + "/checkpoint.rdi", bytes.substr(0, bytes.size() / 2));
  expectRefused({RDI_TRAIN, "--resume", folder}, 1, "damaged checkpoint");
}

TEST_F(Programs, ARecipeFileGivesOptionsAndTheCommandLineWins) {
  const std::string recipe = folder_.path("recipe.ini");
  test::writeFile(recipe,
                  "; a comment\niterations = 4\nbatch-size = 16\nheld-out = 100\nattack-steps = 1\n"
                  "exit-weights = [0.5, 1]\nmilestones = [1, 3]\ndefence = \"average\"\nlog-every = "
                  "1\nvalidate-images = 0\n");
  const std::string folder = folder_.path("run");
  const Result result = run({RDI_TRAIN, "--config", recipe, "--init", model_, "--data", data_, "-o", folder,
                             "--iterations", "2", "--threads", "1"});
  ASSERT_EQ(result.exitCode, 0) << result.err;
  const nlohmann::json stated = graph::readMetadata(graph::loadModel(folder + "/model.onnx")).recipe;
  EXPECT_EQ(stated["iterations"], 2);
  EXPECT_EQ(stated["defence"], "average");
  EXPECT_EQ(stated["exit_weights"], (std::vector<double>{0.5, 1}));
  EXPECT_EQ(stated["milestones"], (std::vector<int64_t>{1, 3}));
}

TEST_F(Programs, TheProjectsRecipesAreUnderstood) {
  int recipes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RDI_SOURCE_DIR "/trainer/recipes")) {
    SCOPED_TRACE(entry.path().filename().string());
    // Stops at the data that is not there, after everything in the recipe was taken.
    std::vector<std::string> command = {
        RDI_TRAIN, "--config",         entry.path().string(), "--data", "mnist:" + folder_.path("nowhere"),
        "-o",      folder_.path("run")};
    if (graph::readFile(entry.path().string()).find("\narch = ") == std::string::npos)
      command.insert(command.end(), {"--init", model_});
    expectRefused(command, 1, "holds neither");
    ++recipes;
  }
  EXPECT_GE(recipes, 12);
}

TEST_F(Programs, WrongUsageOfRdiTrainExitsWithTwo) {
  expectRefused({RDI_TRAIN}, 2, "--output");
  expectRefused({RDI_TRAIN, "--no-such-option"}, 2, "--no-such-option");
  expectRefused({RDI_TRAIN, "-o", "x", "--epsilon", "much"}, 2, "--epsilon");
  expectRefused({RDI_TRAIN, "--resume", "x", "--epsilon", "0.1"}, 2, "--epsilon");
  EXPECT_EQ(run({RDI_TRAIN, "--help"}).exitCode, 0);
}

TEST_F(Programs, BadInputOfRdiTrainExitsWithOneAndOneLine) {
  const std::string out = folder_.path("run");
  expectRefused({RDI_TRAIN, "--arch", "vgg", "--data", data_, "--iterations", "1", "-o", out}, 1,
                "rdi-smallcnn");
  expectRefused({RDI_TRAIN, "--init", model_, "--data", "coco:x", "--iterations", "1", "-o", out}, 1,
                "fashion-mnist");
  expectRefused({RDI_TRAIN, "--init", model_, "--data", "mnist:/nowhere", "--iterations", "1", "-o", out}, 1,
                "/nowhere");
  expectRefused({RDI_TRAIN, "--init", model_, "--data", data_, "--iterations", "1", "--held-out", "100",
                 "--batch-size", "16", "-o", model_ + "/run"},
                1, model_);
  expectRefused({RDI_TRAIN, "--resume", folder_.path("nowhere")}, 1, "checkpoint.rdi");
  expectRefused({RDI_TRAIN, "--config", folder_.path("nowhere.ini"), "-o", out}, 1, "nowhere.ini");
  test::writeFile(folder_.path("broken.onnx"), graph::readFile(model_).substr(0, 300));
  expectRefused(
      {RDI_TRAIN, "--init", folder_.path("broken.onnx"), "--data", data_, "--iterations", "1", "-o", out}, 1,
      "broken.onnx");
}

TEST_F(Programs, CalibrateThenEvaluateWriteTheirFindingsIntoTheModel) {
  const std::string folder = folder_.path("run"), model = folder + "/model.onnx",
                    json = folder_.path("result.json");
  ASSERT_EQ(run(training(folder, 60)).exitCode, 0);
  Result result = run({RDI_EVALUATE, "calibrate", model, "--data", data_});
  ASSERT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NE(result.out.find("100 held-out images"), std::string::npos) << result.out;
  graph::Metadata metadata = graph::readMetadata(graph::loadModel(model));
  ASSERT_TRUE(metadata.rule);
  ASSERT_EQ(metadata.rule->thresholds.size(), 1U);

  result = run({RDI_EVALUATE, "calibrate", model, "--data", data_, "--policy", "cost", "--attack", "pgd",
                "--epsilon", "0.1", "--step-size", "0.05", "--steps", "2", "--max-drop", "5", "--criterion",
                "margin"});
  ASSERT_EQ(result.exitCode, 0) << result.err;
  metadata = graph::readMetadata(graph::loadModel(model));
  EXPECT_EQ(metadata.rule->criterion, graph::Criterion::margin);

  result = run({RDI_EVALUATE, model, "--data", data_, "--attack", "pgd", "--attack-loss", "all", "--epsilon",
                "0.1", "--step-size", "0.05", "--steps", "3", "--limit", "50", "--json", json, "--write"});
  ASSERT_EQ(result.exitCode, 0) << result.err;
  for (const char* part : {"50 test images", "clean", "pgd single:1", "pgd main", "pgd average",
                           "paper worst case", "union", "paid"})
    EXPECT_NE(result.out.find(part), std::string::npos) << part << "\n" << result.out;
  const nlohmann::json stated = nlohmann::json::parse(graph::readFile(json));
  EXPECT_EQ(stated["rows"].size(), 4U);
  const nlohmann::json written = graph::readMetadata(graph::loadModel(model)).results;
  EXPECT_EQ(written["summary"]["union"], stated["summary"]["union"]);
  EXPECT_EQ(written["rows"].size(), 4U);
  double share = 0;
  for (double part : stated["rows"][0]["exit_shares"]) share += part;
  EXPECT_NEAR(share, 1, 1e-9);

  result = run({RDI_EVALUATE, "calibrate", model, "--data", data_});
  ASSERT_EQ(result.exitCode, 0) << result.err;
  EXPECT_TRUE(graph::readMetadata(graph::loadModel(model)).results.is_null()) << "of the rule before";
}

TEST_F(Programs, PicturesInFoldersAreTrainedOnAndEvaluated) {
  const std::string pictures = folder_.path("pictures");
  for (const auto& [split, name] : {std::pair(Split::train, "train"), {Split::test, "test"}}) {
    const ImageSet images = dataSource(data_).load(split);
    for (int64_t i = 0; i < images.count; ++i) {
      const std::string place = pictures + "/" + name + "/" + std::to_string(images.labels[size_t(i)]);
      std::filesystem::create_directories(place);
      const auto* pixels = reinterpret_cast<const char*>(images.pixels.data()) + i * 64;
      test::writeFile(place + "/" + std::to_string(i) + ".pgm", "P5 8 8 255\n" + std::string(pixels, 64));
    }
  }
  const std::string folder = folder_.path("run"), model = folder + "/model.onnx",
                    json = folder_.path("result.json");
  std::vector<std::string> command = training(folder, 60);
  for (std::string& word : command)
    if (word == data_) word = "folder:" + pictures;
  Result result = run(command);
#ifndef RDI_TRAINER_HAS_OPENCV
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.err.find("built without OpenCV"), std::string::npos) << result.err;
  GTEST_SKIP() << "built without OpenCV";
#endif
  ASSERT_EQ(result.exitCode, 0) << result.err;
  const graph::Metadata metadata = graph::readMetadata(graph::loadModel(model));
  EXPECT_EQ(metadata.recipe["data"], "folder:pictures");
  EXPECT_EQ(metadata.classNames.size(), 10U);
  ASSERT_EQ(run({RDI_EVALUATE, "calibrate", model, "--data", "folder:" + pictures}).exitCode, 0);
  // The same pictures in another format: the same accuracy, whatever their order.
  std::vector<double> accuracies;
  for (const std::string& data : {"folder:" + pictures, data_}) {
    result = run({RDI_EVALUATE, model, "--data", data, "--json", json});
    ASSERT_EQ(result.exitCode, 0) << result.err;
    accuracies.push_back(nlohmann::json::parse(graph::readFile(json))["rows"][0]["accuracy"]);
  }
  EXPECT_GT(accuracies[0], 0.5);
  EXPECT_NEAR(accuracies[0], accuracies[1], 1e-12);

  std::filesystem::rename(pictures + "/train/3", pictures + "/train/three");
  std::filesystem::rename(pictures + "/test/3", pictures + "/test/three");
  expectRefused({RDI_EVALUATE, model, "--data", "folder:" + pictures}, 1,
                "found \"4\" as class 3, expected \"3\"");
}

TEST_F(Programs, ASuiteLeavesItsFindingsInAFolderAndGoesOnFromThere) {
  const std::string folder = folder_.path("found");
  const std::vector<std::string> command = {
      RDI_EVALUATE,   model_,      "--data",    data_,     "--thresholds", "2.2",       "--suite",
      "full",         "--epsilon", "5/255",     "--steps", "30",           "--queries", "30",
      "--batch-size", "10",        "--threads", "1",       "--output",     folder};
  {
    Process process(folder_, command);
    while (!std::filesystem::exists(folder + "/batches/clean.scores"))
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    process.send(SIGINT);
    const Result stopped = process.wait();
    ASSERT_EQ(stopped.exitCode, 130) << stopped.err;
    EXPECT_NE(stopped.err.find("run the same command to go on"), std::string::npos) << stopped.err;
    EXPECT_FALSE(std::filesystem::exists(folder + "/results.json"));
  }
  const Result result = run(command);
  ASSERT_EQ(result.exitCode, 0) << result.err;
  for (const char* part : {"pgd max-average", "fgsm-unprojected main", "apgd-ce soft-routed", "square routed",
                           "pgd slowdown-hinge", "wrm average"})
    EXPECT_NE(result.out.find(part), std::string::npos) << part << "\n" << result.out;
  const nlohmann::json found = nlohmann::json::parse(graph::readFile(folder + "/results.json"));
  EXPECT_LE(found["summary"]["union"]["accuracy"].get<double>(), found["rows"][0]["accuracy"].get<double>());
  EXPECT_NEAR(found["rows"][1]["settings"]["epsilon"].get<double>(), 5.0 / 255, 1e-9);
  std::vector<std::string> other = command;
  *(std::find(other.begin(), other.end(), "--steps") + 1) = "31";
  expectRefused(other, 1, "holds results of another evaluation");
}

TEST_F(Programs, AttacksThatMakeNoSenseAreRefusedBeforeTheWork) {
  const auto refuse = [&](std::vector<std::string> more, int exitCode, const std::string& part) {
    std::vector<std::string> command = {RDI_EVALUATE, model_, "--data", data_, "--thresholds", "1"};
    command.insert(command.end(), more.begin(), more.end());
    expectRefused(command, exitCode, part);
  };
  refuse({"--attack", "pgd", "--epsilon", "8"}, 1, "write 8/255");
  refuse({"--attack", "pgd", "--epsilon", "8/0"}, 2, "fraction");
  refuse({"--attack", "pgd", "--step-size", "2"}, 1, "step size");
  refuse({"--attack", "pgd,magic"}, 2, "magic");
  refuse({"--attack", "none,pgd"}, 2, "none");
  refuse({"--suite", "huge"}, 2, "--suite");
  refuse({"--attack", "pgd", "--attack-loss", "slowdown"}, 1, "slowdown-hinge");
  refuse({"--attack", "square", "--queries", "0"}, 1, "--queries");
  refuse({"--attack", "square", "--norm", "l2", "--epsilon", "1"}, 1, "--norm linf");
  refuse({"--attack", "pgd", "--norm", "l2"}, 1, "--epsilon");
  refuse({"--save-inputs"}, 2, "--output");
  refuse({"--exit", "main"}, 2, "--thresholds");
  refuse({"--output", "/proc/self/comm"}, 1, "cannot be made a folder");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--exit", "exit9"}, 1, "expected one of exit1, main");
}

TEST_F(Programs, EverybodyLeavesByTheExitThatIsNamed) {
  const std::string json = folder_.path("result.json");
  const auto shares = [&](const std::string& exit) {
    const Result result = run({RDI_EVALUATE, model_, "--data", data_, "--exit", exit, "--json", json});
    EXPECT_EQ(result.exitCode, 0) << result.err;
    return nlohmann::json::parse(graph::readFile(json))["rows"][0]["exit_shares"].get<std::vector<double>>();
  };
  EXPECT_EQ(shares("exit1"), (std::vector<double>{1, 0}));
  EXPECT_EQ(shares("main"), (std::vector<double>{0, 1}));
}

TEST_F(Programs, ThresholdsOnTheCommandLineReplaceThoseOfTheFile) {
  const std::string json = folder_.path("result.json");
  const auto shares = [&](const std::string& thresholds) {
    const Result result =
        run({RDI_EVALUATE, model_, "--data", data_, "--thresholds=" + thresholds, "--json", json});
    EXPECT_EQ(result.exitCode, 0) << result.err;
    return nlohmann::json::parse(graph::readFile(json))["rows"][0]["exit_shares"].get<std::vector<double>>();
  };
  EXPECT_EQ(shares("inf"), (std::vector<double>{1, 0}));
  EXPECT_EQ(shares("-inf"), (std::vector<double>{0, 1}));
}

TEST_F(Programs, ErrorsOfAModelBeginWithItsFileOnce) {
  const auto refuse = [&](const std::string& part) {
    const std::string message = ": " + model_ + ": " + part;
    expectRefused({RDI_EVALUATE, model_, "--data", data_, "--thresholds", "1"}, 1, "rdi-evaluate" + message);
    expectRefused({RDI_TRAIN, "--init", model_, "--data", data_, "--iterations", "1", "--held-out", "100",
                   "--batch-size", "16", "-o", folder_.path("run")},
                  1, "rdi-train" + message);
  };
  const onnx::ModelProto good = graph::loadModel(model_);
  onnx::ModelProto bad = good;
  for (onnx::NodeProto& node : *bad.mutable_graph()->mutable_node())
    if (node.op_type() == "Relu") node.set_op_type("Softsign");
  graph::saveModel(bad, model_);
  refuse("operator Softsign");

  bad = good;
  auto* entry = bad.add_metadata_props();
  entry->set_key("rdi.rule");
  entry->set_value("no JSON");
  graph::saveModel(bad, model_);
  refuse("metadata 'rdi.rule' cannot be read");

  bad = good;
  graph::Metadata metadata;
  metadata.rule.emplace().thresholds = {1, 2};
  graph::writeMetadata(bad, metadata);
  graph::saveModel(bad, model_);
  expectRefused({RDI_EVALUATE, model_, "--data", data_}, 1,
                "rdi-evaluate: " + model_ + ": there are 2 thresholds for 2 exits");
}

TEST_F(Programs, AListTakesNoArgumentAfterIt) {
  const Result result = run({RDI_EVALUATE, "--data", data_, "--thresholds", "0.5", model_});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  for (const char* option : {"--exit-weights", "--milestones"})
    expectRefused({RDI_TRAIN, "-o", "x", option, "1,2", "3"}, 2, "found \"3\", expected an option");
}

TEST_F(Programs, BadInputOfRdiEvaluateIsRefused) {
  expectRefused({RDI_EVALUATE}, 2, "MODEL");
  expectRefused({RDI_EVALUATE, model_}, 2, "--data");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--attack", "magic"}, 2, "--attack");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--thresholds=1", "--write"}, 2,
                "--write: is for the rule that the file answers by; leave out --thresholds");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--operating-point", "fast", "--write"}, 2,
                "leave out --thresholds, --exit and --operating-point");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--operating-point", "fast", "--exit", "main"}, 2,
                "--operating-point: is a whole rule");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--operating-point", "fast"}, 1,
                model_ + ": has no operating points, so none called 'fast'");
  expectRefused({RDI_EVALUATE, "calibrate", model_, "--data", data_, "--policy", "magic"}, 2, "--policy");
  expectRefused({RDI_EVALUATE, folder_.path("no.onnx"), "--data", data_}, 1, "no.onnx");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--thresholds", "0.1,0.2"}, 1, "expected 1");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--thresholds", "nan"}, 1, "NaN");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--thresholds", "1", "--attack", "pgd",
                 "--attack-loss", "single:7"},
                1, "single:7");
  expectRefused({RDI_EVALUATE, model_, "--data", data_, "--thresholds", "1", "--batch-size", "0"}, 1,
                "--batch-size");
  graph::saveModel(zoo::build("rdi-smallcnn"), folder_.path("big.onnx"));
  expectRefused({RDI_EVALUATE, folder_.path("big.onnx"), "--data", data_, "--thresholds", "1,1"}, 1,
                "expected 1x28x28");
}

TEST_F(Programs, WhereRdiEvaluateWritesIsProbedBeforeTheWork) {
  const auto refuse = [&](const std::string& json, const std::string& part) {
    expectRefused({RDI_EVALUATE, model_, "--data", data_, "--thresholds", "1", "--json", json}, 1, part);
  };
  refuse(folder_.path("no/x.json"), "no/x.json: cannot be written");
  refuse(folder_.path("data"), "data: found a folder");
  // A file that opens for writing, in a folder where nobody, not even root, can make another.
  refuse("/proc/self/comm", "/proc/self/comm: cannot be written");

  // A file that does not open for writing is replaced all the same.
  const std::string json = folder_.path("old.json");
  test::writeFile(json, "old");
  std::filesystem::permissions(json, std::filesystem::perms::owner_read);
  const Result result = run({RDI_EVALUATE, model_, "--data", data_, "--thresholds", "1", "--json", json});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NE(graph::readFile(json), "old");
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
    EXPECT_EQ(entry.path().string().find(".tmp."), std::string::npos) << entry.path();
}

}  // namespace
}  // namespace rdi::train
