// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluator.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "graph/error.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/npy.hpp"
#include "trainer/saved_inputs.hpp"

namespace rdi::train {
namespace {

class Runner : public testing::Test {
protected:
  void SetUp() override {
    images_ = dataSource(test::writeTinyData(folder_.path("data"), 200, 70)).load(Split::test);
    rule_.thresholds = {2.2F};
    AttackRequest request;
    request.options.epsilon = 0.02;
    request.options.stepSize = 0.01;
    request.options.steps = 2;
    request.queries = 5;
    attacks_ = attackSuite("full", request, true, 2);
    options_.batchSize = 30;
    options_.threads = 1;
    // What the net itself answers: attacks have something to break.
    images_.labels.assign(images_.labels.size(), 0);
    const std::vector<int> answers =
        applyRule(Evaluator(model_, images_, options_).run({}, rule_)->at(0).table, rule_).answers;
    images_.labels.assign(answers.begin(), answers.end());
  }

  std::vector<AttackedScores> run(const EvaluatorOptions& options) {
    auto found = Evaluator(model_, images_, options).run(attacks_, rule_);
    EXPECT_TRUE(found);
    return *found;
  }

  static void expectEqual(const std::vector<AttackedScores>& a, const std::vector<AttackedScores>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].table.values, b[i].table.values) << i;
      EXPECT_EQ(a[i].attacked, b[i].attacked) << i;
      EXPECT_EQ(a[i].firstImages, b[i].firstImages) << i;
    }
  }

  test::TemporaryFolder folder_;
  onnx::ModelProto model_ = test::tinyNet(true);
  ImageSet images_;
  graph::ExitRule rule_;
  std::vector<Attack> attacks_;
  EvaluatorOptions options_;
};

TEST_F(Runner, CleanScoresAreThoseOfTheNet) {
  attacks_.clear();
  const ScoreTable table = run(options_)[0].table;
  GraphModule module(model_);
  const torch::Tensor pixels = torch::from_blob(images_.pixels.data(), {70, 1, 8, 8}, torch::kUInt8);
  torch::NoGradGuard noGradient;
  const auto scores = module.forward(pixels.to(torch::kFloat32) / 255, ForwardMode::evaluation());
  ASSERT_EQ(table.count, 70);
  for (int64_t i = 0; i < 70; ++i)
    for (int k = 0; k < 2; ++k)
      for (int c = 0; c < 10; ++c)
        EXPECT_NEAR(table.scores(i, k)[c], scores[static_cast<size_t>(k)][i][c].item<float>(), 1e-4F);
}

TEST_F(Runner, InterruptedAnywhereItGoesOnToTheSameEnd) {
  const auto expected = run(options_);
  options_.folder = folder_.path("out");
  for (int stopAfter = 1;; stopAfter += 17) {
    int asked = 0;
    EvaluatorHooks hooks;
    hooks.stop = [&] { return ++asked > stopAfter; };
    const auto found = Evaluator(model_, images_, options_).run(attacks_, rule_, hooks);
    if (!found) continue;
    expectEqual(*found, expected);
    break;
  }
  // All is known now: nothing is computed again, which the times tell.
  const auto again = run(options_), third = run(options_);
  expectEqual(again, expected);
  for (size_t i = 0; i < again.size(); ++i) EXPECT_EQ(again[i].seconds, third[i].seconds);
}

TEST_F(Runner, EachAttackIsTheSameAloneAndAmongOthers) {
  const auto all = run(options_);
  const std::vector<Attack> suite = attacks_;
  for (size_t i = 0; i < suite.size(); ++i) {
    if (suite[i].onlySurvivors) continue;
    attacks_ = {suite[i]};
    EXPECT_EQ(run(options_)[1].table.values, all[i + 1].table.values) << suite[i].name;
  }
}

TEST_F(Runner, CostlyAttacksLookOnlyAtImagesThatWereStillRight) {
  const auto scores = run(options_);
  std::vector<bool> right = applyRule(scores[0].table, rule_).right;
  int left = 0, attacked = 0;
  for (size_t row = 1; row < scores.size(); ++row) {
    const Attack& attack = attacks_[row - 1];
    const std::vector<bool> now = applyRule(scores[row].table, rule_).right;
    for (size_t i = 0; i < right.size(); ++i) {
      const bool wasAttacked = scores[row].attacked[i] != 0;
      EXPECT_EQ(wasAttacked, attack.onlySurvivors ? right[i] : true) << attack.name << " " << i;
      left += attack.onlySurvivors && !wasAttacked;
      attacked += attack.onlySurvivors && wasAttacked;
      if (attack.inBall && !now[i]) right[i] = false;
    }
  }
  EXPECT_GT(left, 0);
  EXPECT_GT(attacked, 0);
}

TEST_F(Runner, TheFolderOfAnotherEvaluationIsRefused) {
  options_.folder = folder_.path("out");
  attacks_.resize(2);
  run(options_);
  const auto expectRefused = [&](const char* part) {
    try {
      run(options_);
      FAIL() << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  options_.seed = 2;
  expectRefused("seed: found 1, expected 2");
  options_.seed = 1;
  model_ = test::tinyNet(true, 7);
  expectRefused("model: found");
}

TEST_F(Runner, ARuleThatNoAttackFollowsMayChange) {
  options_.folder = folder_.path("out");
  attacks_.resize(2);  // single attacks
  const auto before = run(options_);
  rule_.thresholds = {0.1F};
  expectEqual(run(options_), before);
}

TEST_F(Runner, SavesTheAttackedImagesAndTheirScores) {
  options_.folder = folder_.path("out");
  options_.saveInputs = true;
  attacks_.resize(3);
  const auto scores = run(options_);
  NpyReader<uint8_t> labels(savedLabels(options_.folder));
  EXPECT_EQ(labels.readAll(), images_.labels);
  GraphModule module(model_);
  torch::NoGradGuard noGradient;
  const auto inputs = listSavedInputs(options_.folder);
  ASSERT_EQ(inputs.size(), 4U);
  for (size_t row = 0; row < scores.size(); ++row) {
    const SavedInputs files = savedInputs(options_.folder, row == 0 ? "clean" : attacks_[row - 1].name);
    NpyReader<float> images(files.images), saved(files.scores);
    EXPECT_EQ(images.shape(), (std::vector<int64_t>{70, 1, 8, 8}));
    EXPECT_EQ(saved.shape(), (std::vector<int64_t>{70, 2, 10}));
    EXPECT_EQ(saved.readAll(), scores[row].table.values);
    std::vector<float> values = images.readAll();
    const auto found =
        module.forward(torch::from_blob(values.data(), {70, 1, 8, 8}), ForwardMode::evaluation());
    for (int64_t i = 0; i < 70; ++i)
      EXPECT_NEAR(scores[row].table.scores(i, 1)[3], found[1][i][3].item<float>(), 1e-4F);
  }
}

TEST_F(Runner, ABatchThatAnotherLimitCutShortIsMadeAnew) {
  EvaluatorOptions kept = options_;
  kept.folder = folder_.path("kept");
  kept.limit = 40;  // 30 and 10
  run(kept);
  options_.limit = kept.limit = 55;
  expectEqual(run(kept), run(options_));
  expectEqual(run(kept), run(options_));
}

}  // namespace
}  // namespace rdi::train
