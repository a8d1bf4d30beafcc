// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/training.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/network_builder.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/collapse_guard.hpp"
#include "trainer/evaluator.hpp"

namespace rdi::train {
namespace {

using test::TemporaryFolder;
using test::tinyTraining;

std::string trainedWeights(const std::string& run) {
  return test::weightBytes(graph::loadModel(run + "/model.onnx"));
}

std::vector<nlohmann::json> metricLines(const std::string& run) {
  std::istringstream stream(graph::readFile(run + "/metrics.jsonl"));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

// Stops after so many calls, which are one an iteration.
TrainHooks stopAfter(int iterations) {
  TrainHooks hooks;
  hooks.stopRequested = [left = iterations]() mutable { return left-- == 0; };
  return hooks;
}

void expectRefused(const TrainOptions& options, const std::string& run, const std::string& part) {
  try {
    startTraining(options, run, {});
    ADD_FAILURE() << "nothing was thrown, expected: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(run)) << "a refused training leaves nothing behind";
}

class TrainingOf : public testing::TestWithParam<bool> {};  // with BatchNormalization or without

TEST_P(TrainingOf, StoppedAndResumedEqualsUninterruptedBitForBit) {
  TemporaryFolder folder;
  const TrainOptions options = tinyTraining(folder, GetParam());
  ASSERT_EQ(startTraining(options, folder.path("whole"), {}), TrainOutcome::finished);
  ASSERT_EQ(startTraining(options, folder.path("parts"), stopAfter(10)), TrainOutcome::stopped);
  EXPECT_FALSE(std::filesystem::exists(folder.path("parts/model.onnx")));
  ASSERT_EQ(resumeTraining(folder.path("parts"), {}, stopAfter(3)), TrainOutcome::stopped);
  ASSERT_EQ(resumeTraining(folder.path("parts"), {}, {}), TrainOutcome::finished);
  EXPECT_EQ(trainedWeights(folder.path("whole")), trainedWeights(folder.path("parts")));
  const auto whole = metricLines(folder.path("whole")), parts = metricLines(folder.path("parts"));
  ASSERT_EQ(whole.size(), parts.size());
  for (size_t i = 0; i < whole.size(); ++i)
    for (const char* key : {"iteration", "loss", "clean", "robust", "validation"})
      EXPECT_EQ(whole[i].value(key, nlohmann::json()), parts[i].value(key, nlohmann::json())) << key;
}

TEST_P(TrainingOf, LearnsAnEasyDataSetAndStatesWhatItDid) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, GetParam());
  options.iterations = 150;
  std::vector<TrainProgress> seen;
  TrainHooks hooks;
  hooks.progress = [&](const TrainProgress& progress) { seen.push_back(progress); };
  ASSERT_EQ(startTraining(options, folder.path("run"), hooks), TrainOutcome::finished);
  EXPECT_EQ(seen.back().iteration, 150);

  const onnx::ModelProto model = graph::loadModel(folder.path("run/model.onnx"));
  const graph::Metadata metadata = graph::readMetadata(model);
  EXPECT_EQ(metadata.classNames.size(), 10U);
  ASSERT_TRUE(metadata.preprocessing);
  EXPECT_EQ(metadata.preprocessing->channels, 1);
  EXPECT_EQ(metadata.preprocessing->height, 8);
  EXPECT_EQ(metadata.recipe["data"], "mnist");  // no folder of this machine
  EXPECT_EQ(metadata.recipe["held_out"], 100);
  EXPECT_EQ(metadata.cost.size(), 2U);

  const ImageSet images = dataSource(options.data).load(Split::test);
  Evaluator evaluator(model, images, {});
  graph::ExitRule rule;
  rule.thresholds = {0};
  Attack average;
  average.name = "pgd average";
  average.method = "pgd";
  average.options = options.attack;
  const auto scores = evaluator.run({average}, rule);
  const RuleOutcome clean = applyRule(scores->at(0).table, rule);
  const RuleOutcome attacked = applyRule(scores->at(1).table, rule);
  for (double accuracy : clean.accuracyForced) EXPECT_GT(accuracy, 0.9);
  for (double accuracy : attacked.accuracyForced) EXPECT_GT(accuracy, 0.7);
}

INSTANTIATE_TEST_SUITE_P(, TrainingOf, testing::Bool(), [](const auto& parameter) {
  return parameter.param ? "NetWithBatchNormalization" : "PlainNet";
});

TEST(Training, EveryDefenceTrainsAndChangesTheWeights) {
  for (const char* defence : {"standard", "main", "average", "own", "each", "max-average", "single:1",
                              "random", "routed", "soft-routed", "slowdown-hinge", "own=2,soft-routed=1"}) {
    TemporaryFolder folder;
    TrainOptions options = tinyTraining(folder, true);
    options.iterations = 3;
    options.defence = defence;
    ASSERT_EQ(startTraining(options, folder.path("run"), {}), TrainOutcome::finished) << defence;
    EXPECT_NE(trainedWeights(folder.path("run")), test::weightBytes(graph::loadModel(options.init)))
        << defence;
    const auto lines = metricLines(folder.path("run"));
    EXPECT_EQ(lines[0]["clean"].size(), 2U);
    EXPECT_EQ(lines[0]["robust"].size(), std::string(defence) == "standard" ? 0U : 2U);
    const nlohmann::json& validation = lines.back()["validation"];
    EXPECT_EQ(validation["clean"].size(), 2U);
    EXPECT_EQ(validation["attacked"].size(), std::string(defence) == "standard" ? 0U : 2U);
  }
}

// Weight decay, momentum, averaged weights and running statistics all leave the backbone alone.
TEST(Training, FrozenBackboneStaysBitEqualAndItsBranchesLearn) {
  for (const char* defence : {"standard", "own"}) {
    TemporaryFolder folder;
    TrainOptions options = tinyTraining(folder, true);
    options.freezeBackbone = true;
    options.weightDecay = 0.01;
    options.defence = defence;
    ASSERT_EQ(startTraining(options, folder.path("run"), stopAfter(9)), TrainOutcome::stopped);
    ASSERT_EQ(resumeTraining(folder.path("run"), {}, {}), TrainOutcome::finished);
    const auto before = graph::loadModel(options.init);
    const auto after = graph::loadModel(folder.path("run/model.onnx"));
    for (const auto& tensor : before.graph().initializer()) {
      const auto* found = graph::findInitializer(after.graph(), tensor.name());
      ASSERT_NE(found, nullptr) << tensor.name();
      const bool branch = tensor.name().rfind("exit1.", 0) == 0;
      EXPECT_EQ(found->SerializeAsString() == tensor.SerializeAsString(), !branch)
          << tensor.name() << ", defence " << defence;
    }
    EXPECT_EQ(graph::readMetadata(after).recipe["freeze_backbone"], true);
  }
}

// Everything that has a state beside weights: drawn forms, estimated thresholds, varied images, perturbed
// weights, the guard.
TEST(Training, WithEveryOptionStoppedAndResumedEqualsUninterruptedBitForBit) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, true);
  options.defence = "own=1,soft-routed=2,routed=1";
  options.loss = "trades";
  options.weightPerturbation = 0.01;
  options.shift = 1;
  options.flip = true;
  options.fusion = "mean";
  options.patience = 2;
  options.exitShares = {2, 1};
  options.thresholdsEvery = 3;
  options.validateEvery = 4;
  ASSERT_EQ(startTraining(options, folder.path("whole"), {}), TrainOutcome::finished);
  ASSERT_EQ(startTraining(options, folder.path("parts"), stopAfter(10)), TrainOutcome::stopped);
  ASSERT_EQ(resumeTraining(folder.path("parts"), {}, {}), TrainOutcome::finished);
  EXPECT_EQ(trainedWeights(folder.path("whole")), trainedWeights(folder.path("parts")));
}

TEST(Training, EachOfTheseOptionsMakesADifference) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, true);
  options.iterations = 4;
  options.defence = "soft-routed";
  int runs = 0;
  const auto weightsWith = [&](const auto& change) {
    TrainOptions changed = options;
    change(changed);
    const std::string run = folder.path(text("run", ++runs));
    startTraining(changed, run, {});
    return trainedWeights(run);
  };
  const std::string plain = weightsWith([](TrainOptions&) {});
  EXPECT_EQ(plain, weightsWith([](TrainOptions&) {}));
  EXPECT_NE(plain, weightsWith([](TrainOptions& o) { o.loss = "trades"; }));
  EXPECT_NE(plain, weightsWith([](TrainOptions& o) { o.weightPerturbation = 0.01; }));
  EXPECT_NE(plain, weightsWith([](TrainOptions& o) { o.shift = 1; }));
  EXPECT_NE(plain, weightsWith([](TrainOptions& o) { o.flip = true; }));
  EXPECT_NE(plain, weightsWith([](TrainOptions& o) { o.fusion = "mean"; }));
  EXPECT_NE(plain, weightsWith([](TrainOptions& o) { o.selfDistillation = 0.5; }));
  graph::saveModel(test::tinyNet(true, 7), folder.path("teacher.onnx"));
  const auto teach = [&](double share) {
    return [&, share](TrainOptions& o) {
      o.teacher = folder.path("teacher.onnx");
      o.teacherShare = share;
    };
  };
  EXPECT_NE(plain, weightsWith(teach(0.5)));
  EXPECT_EQ(plain, weightsWith(teach(0)));
  EXPECT_NE(plain, weightsWith([](TrainOptions& o) { o.criterion = "margin"; }));
  EXPECT_NE(plain, weightsWith([](TrainOptions& o) { o.exitShares = {9, 1}; }));
}

// A net that takes images of any size.
std::string writePooledNet(const TemporaryFolder& folder) {
  zoo::NetworkBuilder net("pooled", {1, 8, 8}, 1);
  zoo::ConvOptions conv;
  conv.outChannels = 8;
  conv.pad = 1;
  const std::string features = net.relu("relu", net.batchNorm("bn", net.conv("conv", net.input(), conv)));
  net.addExit("main", net.linear("fc", net.flatten("flatten", net.globalAveragePool("pool", features)), 10));
  const std::string path = folder.path("pooled.onnx");
  graph::saveModel(net.finish(), path);
  return path;
}

TEST(Training, CroppedImagesAreLearnedFromForTheirShareOfTheTrainingAndAnyRestGivesTheSameBits) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, true);
  options.init = writePooledNet(folder);
  int runs = 0;
  const auto weightsWith = [&](int64_t crop, double share) {
    options.crop = crop;
    options.cropShare = share;
    const std::string run = folder.path(text("run", ++runs));
    startTraining(options, run, {});
    return trainedWeights(run);
  };
  const std::string whole = weightsWith(0, 0.5), half = weightsWith(5, 0.5);
  EXPECT_NE(whole, half);
  EXPECT_NE(half, weightsWith(5, 0.9));
  EXPECT_EQ(whole, weightsWith(5, 0));
  options.cropShare = 0.5;
  ASSERT_EQ(startTraining(options, folder.path("parts"), stopAfter(3)), TrainOutcome::stopped);
  ASSERT_EQ(resumeTraining(folder.path("parts"), {}, {}), TrainOutcome::finished);
  EXPECT_EQ(half, trainedWeights(folder.path("parts")));
}

TEST(Training, ACropThatDoesNotFitIsRefusedBeforeAnythingIsWritten) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, true);
  options.crop = 6;  // a linear layer reads all pixels
  expectRefused(options, folder.path("run"), "--crop: the model does not take images of 6 x 6");
  options.init = writePooledNet(folder);
  options.crop = 9;
  expectRefused(options, folder.path("run"), "--crop: found 9, expected at most 8");
}

TEST(Training, ATeacherThatDoesNotFitIsRefused) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, true);
  options.teacher = folder.path("nowhere.onnx");
  expectRefused(options, folder.path("run"), "nowhere.onnx");
  graph::saveModel(zoo::build("rdi-smallcnn"), options.teacher);
  expectRefused(options, folder.path("run"), "--teacher: ");
  // One that has learned what is held out here.
  onnx::ModelProto model = test::tinyNet(true);
  graph::Metadata metadata = graph::readMetadata(model);
  metadata.recipe = {
      {"data", "mnist"}, {"held_out", options.heldOut - 1}, {"held_out_seed", options.heldOutSeed}};
  graph::writeMetadata(model, metadata);
  graph::saveModel(model, options.teacher);
  expectRefused(options, folder.path("run"), "was trained on the other images");
}

TEST(Training, ACollapseIsNoticedAndTrainingGoesOnFromTheLastGoodStateWithLongerAttacks) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, true);
  options.iterations = 100;
  options.validateEvery = 5;
  options.validateImages = 100;
  options.ema = 0;
  options.schedule = "one-cycle";
  options.warmupShare = 0.99;
  options.collapseDrop = 0.000001;  // the least loss is one
  std::vector<std::string> notices;
  TrainHooks hooks;
  hooks.notice = [&](const std::string& notice) { notices.push_back(notice); };
  std::string error, run;
  // The rate rises until it ruins what was learned; how high that is depends on the machine's rounding.
  for (const double rate : {0.4, 0.8, 1.6, 3.2}) {
    options.learningRate = rate;
    run = folder.path(text("run", rate));
    error = test::messageOf([&] { startTraining(options, run, hooks); });
    if (!notices.empty()) break;
  }
  ASSERT_FALSE(notices.empty()) << error;
  EXPECT_NE(notices[0].find("catastrophic overfitting. Back to iteration"), std::string::npos) << notices[0];
  EXPECT_NE(notices[0].find("attacks now take 4 steps instead of 2"), std::string::npos) << notices[0];
  if (notices.size() == 3 && error != "no error") {
    EXPECT_NE(error.find("after 3 attempts"), std::string::npos) << error;
  }
  int rollbacks = 0;
  int64_t last = 0;
  for (const nlohmann::json& line : metricLines(run)) {
    rollbacks += line.contains("rollback");
    EXPECT_GE(line["iteration"].get<int64_t>(), last) << "lines of what was undone are gone";
    last = line["iteration"].get<int64_t>();
  }
  EXPECT_GE(rollbacks, 1);
}

TEST(CollapseGuard, OnlyAFallFromWellAboveGuessingIsACollapse) {
  CollapseGuard guard(0.5, 10);
  guard.keep(0.15);
  EXPECT_FALSE(guard.isCollapse(0)) << "0.15 is hardly more than guessing";
  guard.keep(0.4);
  guard.keep(0.3);
  EXPECT_EQ(guard.best(), 0.4);
  EXPECT_FALSE(guard.isCollapse(0.21));
  EXPECT_TRUE(guard.isCollapse(0.19));
  CollapseGuard off(0, 10);
  off.keep(0.9);
  EXPECT_FALSE(off.isCollapse(0));
}

TEST(Training, NothingToTrainBesideAFrozenBackboneIsRefused) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, false);
  options.freezeBackbone = true;
  auto single = test::tinyNet(false);
  single.mutable_graph()->mutable_output()->DeleteSubrange(0, 1);
  graph::saveModel(single, options.init);
  expectRefused(options, folder.path("run"), "rdi-attach");
}

TEST(Training, OnlyAttackedImagesWhenTheCleanWeightIsZero) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, false);
  options.iterations = 3;
  options.cleanWeight = 0;
  ASSERT_EQ(startTraining(options, folder.path("run"), {}), TrainOutcome::finished);
  const auto line = metricLines(folder.path("run"))[0];
  EXPECT_TRUE(line["clean"].empty());
  EXPECT_EQ(line["robust"].size(), 2U);
}

TEST(Training, RunsInBf16AndOnNhwcFeatures) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, true);
  options.iterations = 30;
  options.precision = "bf16";
  options.channelsLast = true;
  ASSERT_EQ(startTraining(options, folder.path("run"), {}), TrainOutcome::finished);
  const auto lines = metricLines(folder.path("run"));
  EXPECT_LT(lines[5]["loss"].get<double>(), lines[0]["loss"].get<double>());
}

TEST(Training, AnExitOfWeightZeroKeepsItsHead) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, false);
  options.iterations = 2;
  options.weightDecay = 0;
  options.ema = 0;
  options.exitWeights = {0, 1};
  startTraining(options, folder.path("run"), {});
  const auto weightsOf = [](const std::string& path, const std::string& name) {
    const onnx::ModelProto model = graph::loadModel(path);
    const onnx::TensorProto* tensor = graph::findInitializer(model.graph(), name);
    return tensor == nullptr ? std::vector<float>() : graph::floatValues(*tensor);
  };
  const std::string trained = folder.path("run/model.onnx");
  ASSERT_FALSE(weightsOf(trained, "exit1.fc.weight").empty());
  EXPECT_EQ(weightsOf(trained, "exit1.fc.weight"), weightsOf(options.init, "exit1.fc.weight"));
  EXPECT_NE(weightsOf(trained, "fc.weight"), weightsOf(options.init, "fc.weight"));
}

TEST(Training, TheRuleAndResultsOfTheFileItStartsFromAreForgotten) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, false);
  options.iterations = 1;
  onnx::ModelProto model = graph::loadModel(options.init);
  graph::Metadata calibrated;
  calibrated.rule.emplace().thresholds = {0.5F};
  calibrated.results = {{"set", "test"}};
  graph::writeMetadata(model, calibrated);
  graph::saveModel(model, options.init);
  startTraining(options, folder.path("run"), {});
  const graph::Metadata metadata = graph::readMetadata(graph::loadModel(folder.path("run/model.onnx")));
  EXPECT_FALSE(metadata.rule);
  EXPECT_TRUE(metadata.results.is_null());
}

TEST(Training, AModelThatWantsOtherPixelsIsRefused) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, false);
  options.iterations = 1;
  const auto preprocess = [&](double scale, const std::vector<double>& mean) {
    onnx::ModelProto model = graph::loadModel(options.init);
    graph::Metadata metadata;
    metadata.preprocessing.emplace().scale = scale;
    metadata.preprocessing->mean = mean;
    graph::writeMetadata(model, metadata);
    graph::saveModel(model, options.init);
  };
  preprocess(1, {});
  expectRefused(options, folder.path("run"), "found scale 1, expected 0.00392157 (1/255)");
  preprocess(1.00001 / 255, {});
  expectRefused(options, folder.path("run"), "found scale");
  preprocess(1.0 / 255, {33.3});
  expectRefused(options, folder.path("run"), "found mean 33.3, expected 0");
  preprocess(0.003921569, {0});  // as written with few digits
  EXPECT_EQ(startTraining(options, folder.path("run"), {}), TrainOutcome::finished);
}

TEST(Training, ALossThatIsNoNumberStopsItAndKeepsTheLastCheckpoint) {
  TemporaryFolder folder;
  TrainOptions options = tinyTraining(folder, false);
  options.learningRate = 1e25;
  try {
    startTraining(options, folder.path("run"), {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no longer a number"), std::string::npos) << error.what();
  }
  const Checkpoint kept = loadCheckpoint(folder.path("run/checkpoint.rdi"));
  for (const auto& [name, tensor] : kept.tensors)
    if (tensor.is_floating_point() && name != "thresholds") {  // infinite ones close an exit
      EXPECT_TRUE(torch::isfinite(tensor).all().item<bool>()) << name;
    }
  EXPECT_FALSE(std::filesystem::exists(folder.path("run/model.onnx")));
}

TEST(Training, ADamagedCheckpointIsRefused) {
  TemporaryFolder folder;
  startTraining(tinyTraining(folder, false), folder.path("run"), stopAfter(5));
  const std::string path = folder.path("run/checkpoint.rdi");
  std::string bytes = graph::readFile(path);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
  test::writeFile(path, bytes);
  EXPECT_THROW(resumeTraining(folder.path("run"), {}, {}), Error);
  EXPECT_THROW(resumeTraining(folder.path("nowhere"), {}, {}), Error);
}

TEST(Training, LinesLoggedAfterTheCheckpointAreForgottenOnResume) {
  TemporaryFolder folder;
  const std::string run = folder.path("run");
  startTraining(tinyTraining(folder, false), run, stopAfter(10));
  test::writeFile(run + "/metrics.jsonl", graph::readFile(run + "/metrics.jsonl") +
                                              "{\"iteration\":15,\"loss\":9}\n{\"iteration\":1");
  resumeTraining(run, {}, {});
  std::vector<int64_t> iterations;
  for (const nlohmann::json& line : metricLines(run)) iterations.push_back(line["iteration"]);
  EXPECT_EQ(iterations, (std::vector<int64_t>{5, 10, 15, 20, 20}));
}

TEST(Training, WhatDoesNotFitIsRefusedBeforeAnything) {
  TemporaryFolder folder;
  const TrainOptions good = tinyTraining(folder, false);
  const std::string run = folder.path("run");
  const auto refuse = [&](const auto& spoil, const std::string& part) {
    TrainOptions options = good;
    spoil(options);
    expectRefused(options, run, part);
  };
  refuse(
      [](TrainOptions& o) {
        o.init = "";
        o.architecture = "rdi-hugecnn";
      },
      "rdi-smallcnn");
  refuse([](TrainOptions& o) { o.architecture = "rdi-smallcnn"; }, "either --arch");
  refuse(
      [](TrainOptions& o) {
        o.init = "";
        o.architecture = "rdi-smallcnn";
      },
      "1x8x8");
  refuse([](TrainOptions& o) { o.init = "nowhere.onnx"; }, "nowhere.onnx");
  refuse([](TrainOptions& o) { o.data = "svhn:x"; }, "svhn");
  refuse([](TrainOptions& o) { o.data = ""; }, "--data");
  refuse([](TrainOptions& o) { o.exitWeights = {1, 1, 1}; }, "expected 2");
  refuse([](TrainOptions& o) { o.exitWeights = {1, std::nan("")}; }, "--exit-weights");
  refuse([](TrainOptions& o) { o.heldOut = 400; }, "hold out");
  refuse([](TrainOptions& o) { o.batchSize = 301; }, "expected at most 300");
  refuse([](TrainOptions& o) { o.defence = "magic"; }, "magic");
  refuse([](TrainOptions& o) { o.schedule = "random"; }, "one-cycle");
  refuse([](TrainOptions& o) { o.epochs = 2; }, "--epochs");
  refuse([](TrainOptions& o) { o.iterations = 0; }, "--epochs");
  refuse([](TrainOptions& o) { o.learningRate = std::nan(""); }, "--learning-rate");
  refuse([](TrainOptions& o) { o.attack.epsilon = 8; }, "epsilon 8");
  refuse([](TrainOptions& o) { o.device = "tpu"; }, "tpu");
  refuse([](TrainOptions& o) { o.device = "cuda:99"; }, "cuda:99");
  refuse([](TrainOptions& o) { o.precision = "float8"; }, "bf16");
  EXPECT_THROW(startTraining(good, good.init + "/run", {}), Error);  // under a file
  startTraining(good, run, stopAfter(1));
  EXPECT_THROW(startTraining(good, run, {}), Error);  // holds a training already
}

TEST(LearningRate, FollowsItsSchedule) {
  TrainOptions options;
  options.learningRate = 1;
  options.schedule = "step";
  options.milestones = {10, 20};
  EXPECT_DOUBLE_EQ(learningRateAt(options, 9, 100), 1);
  EXPECT_DOUBLE_EQ(learningRateAt(options, 10, 100), 0.1);
  EXPECT_NEAR(learningRateAt(options, 99, 100), 0.01, 1e-12);
  options.schedule = "cosine";
  EXPECT_DOUBLE_EQ(learningRateAt(options, 0, 100), 1);
  EXPECT_NEAR(learningRateAt(options, 50, 100), 0.5, 1e-12);
  options.schedule = "one-cycle";
  options.warmupShare = 0.25;
  EXPECT_NEAR(learningRateAt(options, 0, 100), 0.04, 1e-12);
  EXPECT_NEAR(learningRateAt(options, 24, 100), 1, 1e-12);
  EXPECT_NEAR(learningRateAt(options, 25, 100), 1, 1e-12);
  EXPECT_GT(learningRateAt(options, 99, 100), 0);
  EXPECT_LT(learningRateAt(options, 99, 100), 0.02);
}

TEST(TrainOptions, ComeBackFromJson) {
  TrainOptions options;
  options.exitWeights = {0.5, 1};
  options.milestones = {1, 2};
  options.attack.mode = AttackMode::batch;
  options.attack.epsilon = 0.1;
  EXPECT_EQ(toJson(trainOptionsFromJson(toJson(options))), toJson(options));
  nlohmann::json lacking = toJson(options);
  lacking.erase("seed");
  EXPECT_THROW(trainOptionsFromJson(lacking), Error);
}

TEST(TrainOptions, OfACheckpointThatIsOlderThanAnOptionLeaveItOff) {
  TrainOptions options;
  options.heldOutSeed = 7;
  options.crop = 24;
  options.teacher = "teacher.onnx";
  options.selfDistillation = 0.5;
  nlohmann::json old = toJson(options);
  for (const char* key :
       {"held_out_seed", "crop", "crop_share", "teacher", "teacher_share", "self_distillation"})
    ASSERT_EQ(old.erase(key), 1U) << key;
  const TrainOptions read = trainOptionsFromJson(old);
  EXPECT_EQ(read.heldOutSeed, 0U);  // the last images, as it was then
  EXPECT_EQ(read.crop, 0);
  EXPECT_EQ(read.teacher, "");
  EXPECT_EQ(read.selfDistillation, 0);
}

}  // namespace
}  // namespace rdi::train
