// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// The models in models/ are what their cards say: run as a user runs them, through cv::dnn, on the real test
// sets.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rdi/rdi.hpp>

#include <algorithm>
#include <cmath>
#include <set>

#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/exit_rule.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "tests/end_to_end/test_pictures.hpp"
#include "trainer/attack_plan.hpp"
#include "trainer/data.hpp"
#include "trainer/evaluator.hpp"

namespace {

struct Promise {
  std::string name, data;
  double clean;          // least accuracy on the test set
  double attacked;       // least accuracy under PGD in each of the publication's forms
  double unionAccuracy;  // least share that is right under every attack of the full suite
  double saving;    // least share of the static net's computation that clean pictures save, all heads paid
  double slowdown;  // highest share of it that is paid under a slowdown attack
  double epsilon, stepSize;
  int steps;
};

/// `model` as GoogleTest takes it for the name of a test.
std::string testName(std::string model) {
  std::replace(model.begin(), model.end(), '-', '_');
  return model;
}

void PrintTo(const Promise& promise, std::ostream* stream) { *stream << promise.name; }

class Model : public testing::TestWithParam<Promise> {
protected:
  std::string file(const std::string& ending) const {
    return std::string(RDI_SOURCE_DIR) + "/models/" + GetParam().name + ending;
  }
};

/// The models whose file for OpenCV is shipped as well.
class Deployed : public Model {};

TEST_P(Deployed, EarlyExitFileIsWhatTheConverterMakesOfTheTrainingFile) {
  const auto made = rdi::graph::serialize(rdi::graph::buildEarlyExit(rdi::graph::loadModel(file(".onnx"))));
  EXPECT_TRUE(made == rdi::graph::readFile(file(".early-exit.onnx")))
      << "run rdi-convert models/" << GetParam().name << ".onnx again";
}

TEST_P(Deployed, IsAsAccurateAndAsCheapAsPromisedOnTheTestSet) {
  const auto found = rdi::test::testPictures(GetParam().data);
  if (!found) GTEST_SKIP() << "the test set of " << GetParam().data << " is not on this machine";
  const rdi::train::ImageSet& images = *found;
  cv::dnn::Net net = cv::dnn::readNet(file(".early-exit.onnx"));
  const rdi::ModelInfo info = rdi::readModelInfo(file(".early-exit.onnx"));
  const auto exits = rdi::exits(net);
  ASSERT_TRUE(info.scale * 255 > 0.999 && info.scale * 255 < 1.001) << "pixels are fed as 0..1";
  constexpr int batch = 250;
  const int64_t pixels = images.imageSize();
  int right = 0, count = 0;
  double paid = 0;
  cv::Mat blob(std::vector<int>{batch, int(images.channels), int(images.height), int(images.width)}, CV_32F);
  for (int64_t start = 0; start + batch <= images.count; start += batch) {
    const uint8_t* first = &images.pixels[size_t(start * pixels)];
    std::transform(first, first + batch * pixels, blob.ptr<float>(),
                   [](uint8_t pixel) { return float(pixel) / 255; });
    net.setInput(blob);
    const cv::Mat scores = net.forward();
    const auto taken = rdi::lastExits(net);
    ASSERT_EQ(taken.size(), size_t(batch));
    for (int i = 0; i < batch; ++i) {
      right += rdi::graph::argmax(scores.ptr<float>(i), scores.cols) == images.labels[size_t(start + i)];
      paid += exits[size_t(taken[size_t(i)])].paidMacs;
      ++count;
    }
  }
  ASSERT_EQ(count, 10000);
  const double accuracy = double(right) / count, saving = 1 - paid / count / exits.back().ownMacs;
  RecordProperty("accuracy", std::to_string(accuracy));
  RecordProperty("paid_saving", std::to_string(saving));
  EXPECT_GE(accuracy, GetParam().clean);
  EXPECT_GE(saving, GetParam().saving);
}

// What rdi-evaluate --suite full measured, written into the file by --write.
TEST_P(Model, RecordsThatItKeepsItsPromiseUnderEveryAttack) {
  const auto metadata = rdi::graph::readMetadata(rdi::graph::loadModel(file(".onnx")));
  ASSERT_TRUE(metadata.rule.has_value());
  const auto& results = metadata.results;
  EXPECT_GE(results.at("image_count"), 500);
  EXPECT_EQ(results.at("set"), "test");
  const auto recorded = results.at("rule").at("thresholds").get<std::vector<float>>();
  ASSERT_EQ(recorded.size(), metadata.rule->thresholds.size());
  for (size_t k = 0; k < recorded.size(); ++k) EXPECT_NEAR(recorded[k], metadata.rule->thresholds[k], 1e-5);
  std::set<std::string> names;
  for (const auto& row : results.at("rows")) {
    names.insert(row.at("name"));
    const double accuracy = row.at("accuracy");
    if (row.at("family") == "clean") {
      EXPECT_GE(accuracy, GetParam().clean) << row;
      EXPECT_LE(row.at("paid_fraction").get<double>(), 1 - GetParam().saving);
    } else if (row.at("family") == "paper") {
      EXPECT_GE(accuracy, GetParam().attacked) << row;
    } else if (row.at("family") == "slowdown") {
      EXPECT_LE(row.at("paid_fraction").get<double>(), GetParam().slowdown) << row;
    }
  }
  for (const char* name : {"pgd single:1", "pgd max-average", "apgd-ce soft-routed", "apgd-t routed",
                           "square routed", "pgd slowdown-hinge"})
    EXPECT_EQ(names.count(name), 1U) << name;
  EXPECT_GE(results.at("summary").at("union").at("accuracy").get<double>(), GetParam().unionAccuracy);
}

// The same again on few pictures: a record is no proof.
TEST_P(Deployed, HoldsUnderAttacksThatKnowTheRuleOnTheFirstPicturesOfTheTestSet) {
  const auto found = rdi::test::testPictures(GetParam().data);
  if (!found) GTEST_SKIP() << "the test set of " << GetParam().data << " is not on this machine";
  const rdi::train::ImageSet& images = *found;
  const onnx::ModelProto model = rdi::graph::loadModel(file(".onnx"));
  rdi::train::EvaluatorOptions options;
  options.limit = 150;
  options.threads = 1;
  rdi::train::AttackRequest request;
  request.options.epsilon = GetParam().epsilon;
  request.options.stepSize = GetParam().stepSize;
  request.options.steps = GetParam().steps;
  const auto rule = rdi::graph::readMetadata(model).rule;
  ASSERT_TRUE(rule.has_value());
  // Three standard errors of so few images below what holds on all.
  const auto least = [&](double share) {
    return share - 3 * std::sqrt(share * (1 - share) / double(options.limit));
  };
  const auto attacks = rdi::train::attackSuite("fast", request, false, rdi::graph::exitNames(model).size());
  rdi::train::Evaluator evaluator(model, images, options);
  const auto scores = evaluator.run(attacks, *rule);
  ASSERT_TRUE(scores.has_value());
  for (size_t row = 1; row < scores->size(); ++row) {
    const double promise =
        attacks[row - 1].family == rdi::train::Family::paper ? GetParam().attacked : GetParam().unionAccuracy;
    EXPECT_GE(rdi::train::applyRule((*scores)[row].table, *rule).accuracy, least(promise))
        << attacks[row - 1].name;
  }
}

/// What rdi-evaluate --suite full wrote into models/NAME.onnx.
nlohmann::json resultsOf(const std::string& name) {
  return rdi::graph::readMetadata(
             rdi::graph::loadModel(std::string(RDI_SOURCE_DIR) + "/models/" + name + ".onnx"))
      .results;
}

/// A net with exits, and one without them on the same trunk.
struct Pair {
  std::string trunk;
  std::string single;
  double gap;       // most that the net without exits is better by, under every attack
  double cleanGap;  // likewise on clean images
};

void PrintTo(const Pair& pair, std::ostream* stream) { *stream << pair.single; }

class Baseline : public testing::TestWithParam<Pair> {};

TEST_P(Baseline, IsHardlyBetterOnCleanImagesAndUnderEveryAttack) {
  const auto exits = resultsOf("rdi-" + GetParam().trunk + "-lean-cifar10"),
             single = resultsOf(GetParam().single);
  for (const auto* results : {&exits, &single}) {
    EXPECT_EQ(results->at("image_count"), 500);
    EXPECT_EQ(results->at("set"), "test");
  }
  const auto unionOf = [](const nlohmann::json& results) {
    return results.at("summary").at("union").at("accuracy").get<double>();
  };
  EXPECT_GE(unionOf(single), 0.35);
  EXPECT_GE(unionOf(exits), unionOf(single) - GetParam().gap);
  const auto clean = [](const nlohmann::json& results) {
    return results.at("rows").at(0).at("accuracy").get<double>();
  };
  EXPECT_GE(clean(exits), clean(single) - GetParam().cleanGap);
}

const std::vector<Promise> kDeployed = {
    {"rdi-smallcnn-mnist", "mnist", 0.99, 0.93, 0.89, 0.25, 1, 0.3, 0.01, 40},
    {"rdi-smallcnn-mnist-max-average", "mnist", 0.994, 0.94, 0.89, 0.25, 1, 0.3, 0.01, 40},
    {"rdi-resnet38-lean-cifar10", "cifar10", 0.76, 0.42, 0.35, 0.2, 1.02, 8. / 255, 2. / 255, 20},
    {"rdi-mobilenetv2-lean-cifar10", "cifar10", 0.78, 0.43, 0.41, 0.4, 1.02, 8. / 255, 2. / 255, 20},
    {"rdi-smallcnn-fashion-mnist", "fashion-mnist", 0.84, 0.68, 0.62, 0.25, 1, 0.1, 0.01, 40}};

INSTANTIATE_TEST_SUITE_P(Shipped, Deployed, testing::ValuesIn(kDeployed),
                         [](const auto& parameter) { return testName(parameter.param.name); });
INSTANTIATE_TEST_SUITE_P(Shipped, Model, testing::ValuesIn(kDeployed),
                         [](const auto& parameter) { return testName(parameter.param.name); });
INSTANTIATE_TEST_SUITE_P(Shipped, Baseline,
                         testing::Values(Pair{"resnet38", "resnet38-cifar10", 0.03, 0},
                                         Pair{"mobilenetv2", "mobilenetv2-cifar10", 0.03, 0.02},
                                         Pair{"mobilenetv2", "mobilenetv2-cifar10-taught", 0.01, 0.01}),
                         [](const auto& parameter) { return testName(parameter.param.single); });

}  // namespace
