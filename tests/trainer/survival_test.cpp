// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// What a training survives, as a user sees it: programs, files and signals.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/trainer/tiny_programs.hpp"

namespace rdi::train {
namespace {

using test::Process;
using test::Result;
namespace fs = std::filesystem;

class Survival : public test::TinyPrograms {};

// Hard kills wherever they hit: while libraries load, in the middle of a step, of a checkpoint, of the
// metrics.
TEST_F(Survival, TwentyKillsAtRandomMomentsLeadToTheWeightsOfAnUninterruptedTraining) {
  constexpr int kIterations = 2000, kKills = 20;
  const std::vector<std::string> often = {"--checkpoint-every", "3", "--validate-every", "50"};
  ASSERT_EQ(run(training(folder_.path("whole"), kIterations, often)).exitCode, 0);

  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string parts = folder_.path("parts");
  int kills = 0;
  for (; kills < kKills; ++kills) {
    const bool begun = fs::exists(parts + "/checkpoint.rdi");
    const Process process(folder_, begun ? std::vector<std::string>{RDI_TRAIN, "--resume", parts}
                                         : training(parts, kIterations, often));
    // Half of them while it trains, so that there is something to lose; the others anywhere.
    const bool whileTraining = kills % 2 == 0;
    if (whileTraining) waitForLines(parts, begun ? 1 : 4);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % (whileTraining ? 150000 : 700000)));
    process.send(SIGKILL);
    const Result result = process.wait();
    if (result.exitCode == 0) break;
    ASSERT_EQ(result.exitCode, 128 + SIGKILL) << result.err;
  }
  EXPECT_EQ(kills, kKills) << "the training was over before all kills; make it longer";
  const Result resumed = run({RDI_TRAIN, "--resume", parts});
  ASSERT_EQ(resumed.exitCode, 0) << resumed.err;
  EXPECT_EQ(weights(parts), weights(folder_.path("whole")));
  EXPECT_EQ(test::weightBytes(graph::loadModel(parts + "/best.onnx")),
            test::weightBytes(graph::loadModel(folder_.path("whole/best.onnx"))));
  for (const fs::directory_entry& entry : fs::directory_iterator(parts))
    EXPECT_EQ(entry.path().filename().string().find(".tmp."), std::string::npos) << entry.path();

  const auto iterationsIn = [](const std::string& run) {
    std::vector<int64_t> found;
    std::ifstream file(run + "/metrics.jsonl");
    for (std::string line; std::getline(file, line);)
      found.push_back(nlohmann::json::parse(line)["iteration"]);
    return found;
  };
  EXPECT_EQ(iterationsIn(parts), iterationsIn(folder_.path("whole"))) << "each iteration once, in order";
}

TEST_F(Survival, ASecondTrainingInAFolderAtWorkIsRefusedAndDisturbsNothing) {
  const std::string folder = folder_.path("run");
  const Process first(folder_, training(folder, 100000));
  waitForLines(folder, 7);
  const Result second = run({RDI_TRAIN, "--resume", folder});
  EXPECT_EQ(second.exitCode, 1);
  EXPECT_NE(second.err.find("another rdi-train is at work"), std::string::npos) << second.err;
  first.send(SIGTERM);
  EXPECT_EQ(first.wait().exitCode, 130);
}

// A disk of its own, as small as it takes.
class SmallDisk {
public:
  explicit SmallDisk(const std::string& folder) : folder_(folder) {
    fs::create_directories(folder);
    mounted_ = mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=512k") == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }

private:
  std::string folder_;
  bool mounted_ = false;
};

TEST_F(Survival, AFullDiskIsSaidAndTheLastCheckpointStaysGood) {
  ASSERT_EQ(run(training(folder_.path("whole"), 600)).exitCode, 0);
  const SmallDisk disk(folder_.path("disk"));
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small disk needs the rights of root";
  const std::string folder = folder_.path("disk/run");
  const Process process(folder_, training(folder, 600));
  waitForLines(folder, 12);
  std::ofstream filler(folder_.path("disk/filler"), std::ios::binary);
  for (int i = 0; i < 4096 && filler; ++i) filler << std::string(1024, 'x') << std::flush;
  const Result result = process.wait();
  EXPECT_EQ(result.exitCode, 1);
  const bool isSaid = result.err.find("free on the disk") != std::string::npos ||
                      result.err.find("is the disk full?") != std::string::npos ||
                      result.err.find("No space left on device") != std::string::npos;
  EXPECT_TRUE(isSaid) << result.err;
  // On the full disk nothing goes on; with room it does, and nothing was lost.
  EXPECT_EQ(run({RDI_TRAIN, "--resume", folder}).exitCode, 1);
  filler.close();
  fs::remove(folder_.path("disk/filler"));
  const Result resumed = run({RDI_TRAIN, "--resume", folder});
  ASSERT_EQ(resumed.exitCode, 0) << resumed.err;
  EXPECT_EQ(weights(folder), weights(folder_.path("whole")));
}

TEST_F(Survival, AnExplodingLossStopsAtItsStepAndSaysWhatToDo) {
  const std::string folder = folder_.path("run");
  const Result result = run(training(folder, 1000, {"--learning-rate", "30", "--checkpoint-every", "1"}));
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.err.find("--learning-rate"), std::string::npos) << result.err;
  const nlohmann::json record = nlohmann::json::parse(graph::readFile(folder + "/run.json"));
  EXPECT_EQ(record["end"]["outcome"], "failed");
  EXPECT_NE(record["end"]["message"].get<std::string>().find("the loss"), std::string::npos);
}

TEST_F(Survival, ARunFolderTellsWhatWasRunAndRepeatsIt) {
  const std::string folder = folder_.path("run");
  ASSERT_EQ(run(training(folder, 30, {"--validate-every", "10"})).exitCode, 0);
  const nlohmann::json record = nlohmann::json::parse(graph::readFile(folder + "/run.json"));
  EXPECT_FALSE(record["revision"].get<std::string>().empty());
  EXPECT_EQ(record["resume"], "rdi-train --resume " + folder);
  EXPECT_EQ(record["seed"], 1);
  EXPECT_EQ(record["data"]["name"], "mnist");
  EXPECT_EQ(record["data"]["trained_images"], 300);
  ASSERT_EQ(record["starts"].size(), 1U);
  EXPECT_EQ(record["starts"][0]["processes"], 1);
  EXPECT_EQ(record["end"]["outcome"], "finished");
  for (const char* name : {"loss.svg", "accuracy.svg", "learning_rate.svg"})
    EXPECT_NE(graph::readFile(folder + "/" + name).find("<svg"), std::string::npos) << name;
  EXPECT_TRUE(fs::exists(folder + "/best.onnx"));
  EXPECT_TRUE(fs::exists(folder + "/best.rdi"));

  const std::string again = folder_.path("again");
  const Result repeated = run({RDI_TRAIN, "--config", folder + "/recipe.ini", "-o", again});
  ASSERT_EQ(repeated.exitCode, 0) << repeated.err;
  EXPECT_EQ(weights(again), weights(folder));
}

TEST_F(Survival, ResumingOnAnotherMachineFindsItsDataElsewhereAndKnowsIt) {
  const std::string folder = folder_.path("run");
  const Process process(folder_, training(folder, 100000));
  waitForLines(folder, 7);
  process.send(SIGINT);
  ASSERT_EQ(process.wait().exitCode, 130);
  fs::rename(folder_.path("data"), folder_.path("moved"));
  EXPECT_EQ(run({RDI_TRAIN, "--resume", folder}).exitCode, 1);
  test::writeTinyData(folder_.path("other"), 401, 100);
  const Result other = run({RDI_TRAIN, "--resume", folder, "--data", "mnist:" + folder_.path("other")});
  EXPECT_EQ(other.exitCode, 1);
  EXPECT_NE(other.err.find("checksum"), std::string::npos) << other.err;
  const Process moved(folder_, {RDI_TRAIN, "--resume", folder, "--data", "mnist:" + folder_.path("moved")});
  waitForLines(folder, 12);
  moved.send(SIGINT);
  EXPECT_EQ(moved.wait().exitCode, 130);
}

}  // namespace
}  // namespace rdi::train
