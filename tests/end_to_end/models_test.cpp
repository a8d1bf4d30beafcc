// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// The models in models/ are what their cards say: run as a user runs them, through cv::dnn, on the real test
// sets.

#include <gtest/gtest.h>
#include <rdi/rdi.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/exit_rule.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "trainer/data.hpp"
#include "trainer/evaluator.hpp"

namespace {

namespace fs = std::filesystem;

struct Promise {
  std::string name, data;
  double clean;     // least accuracy on the test set
  double attacked;  // least accuracy under PGD-40 on the average of the exits
  double epsilon;
};

std::string nameOf(const Promise& promise) {
  std::string name = promise.name;
  for (char& letter : name)
    if (letter == '-') letter = '_';
  return name;
}

void PrintTo(const Promise& promise, std::ostream* stream) { *stream << promise.name; }

std::string dataFolder() {
  const char* folder = std::getenv("RDI_DATA");
  return folder ? folder : std::string(RDI_SOURCE_DIR) + "/../shared/data";
}

class Model : public testing::TestWithParam<Promise> {
protected:
  std::string file(const std::string& ending) const {
    return std::string(RDI_SOURCE_DIR) + "/models/" + GetParam().name + ending;
  }

  // Images 0..255 of the test set, or a skip where the data is not on this machine.
  bool loadTestSet(rdi::train::ImageSet& images) const {
    const std::string name =
        GetParam().data == "mnist" ? "mnist:" + dataFolder() + "/mnist" : GetParam().data;
    if (GetParam().data == "mnist" && !fs::exists(dataFolder() + "/mnist")) return false;
    if (GetParam().data != "mnist" && !fs::exists("/usr/share/datasets/fashion-mnist")) return false;
    images = rdi::train::dataSource(name).load(rdi::train::Split::test);
    return true;
  }
};

TEST_P(Model, EarlyExitFileIsWhatTheConverterMakesOfTheTrainingFile) {
  const auto made = rdi::graph::serialize(rdi::graph::buildEarlyExit(rdi::graph::loadModel(file(".onnx"))));
  EXPECT_TRUE(made == rdi::graph::readFile(file(".early-exit.onnx")))
      << "run rdi-convert models/" << GetParam().name << ".onnx again";
}

TEST_P(Model, IsAsAccurateAndAsCheapAsPromisedOnTheTestSet) {
  rdi::train::ImageSet images;
  if (!loadTestSet(images))
    GTEST_SKIP() << "the test set of " << GetParam().data << " is not on this machine";
  cv::dnn::Net net = cv::dnn::readNet(file(".early-exit.onnx"));
  const rdi::ModelInfo info = rdi::readModelInfo(file(".early-exit.onnx"));
  const auto exits = rdi::exits(net);
  const int size[] = {info.size.height, info.size.width}, batch = 250;
  const int pixels = size[0] * size[1];
  int right = 0, count = 0;
  double paid = 0;
  for (int64_t start = 0; start + batch <= images.count; start += batch) {
    std::vector<cv::Mat> pictures;
    for (int i = 0; i < batch; ++i)
      pictures.emplace_back(size[0], size[1], CV_8U,
                            const_cast<uint8_t*>(&images.pixels[size_t(start + i) * pixels]));
    net.setInput(cv::dnn::blobFromImages(pictures, info.scale, info.size, info.mean, info.swapRB));
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
  EXPECT_GE(saving, 0.25);
}

// What rdi-evaluate measured on the whole test set, written into the file by --write.
TEST_P(Model, RecordsThatItKeepsItsPromiseUnderEveryAttack) {
  const auto metadata = rdi::graph::readMetadata(rdi::graph::loadModel(file(".onnx")));
  ASSERT_TRUE(metadata.rule.has_value());
  const auto& results = metadata.results;
  EXPECT_EQ(results.at("image_count"), 10000);
  EXPECT_EQ(results.at("set"), "test");
  const auto recorded = results.at("thresholds").get<std::vector<std::string>>();
  ASSERT_EQ(recorded.size(), metadata.rule->thresholds.size());
  for (size_t k = 0; k < recorded.size(); ++k)
    EXPECT_NEAR(std::stof(recorded[k]), metadata.rule->thresholds[k], 1e-5);
  std::vector<std::string> images;
  for (const auto& row : results.at("rows")) {
    const bool clean = row.at("images") == "clean";
    images.push_back(row.at("images"));
    EXPECT_GE(row.at("accuracy").get<double>(), clean ? GetParam().clean : GetParam().attacked) << row;
    if (clean) EXPECT_LE(row.at("paid_fraction").get<double>(), 0.75);
  }
  EXPECT_EQ(images, (std::vector<std::string>{"clean", "single:1", "single:2", "main", "average"}));
}

// The same again on few pictures: a record is no proof.
TEST_P(Model, HoldsUnderEveryAttackOnTheFirstPicturesOfTheTestSet) {
  rdi::train::ImageSet images;
  if (!loadTestSet(images))
    GTEST_SKIP() << "the test set of " << GetParam().data << " is not on this machine";
  const onnx::ModelProto model = rdi::graph::loadModel(file(".onnx"));
  rdi::train::EvaluatorOptions options;
  options.limit = 150;
  rdi::train::AttackOptions attack;
  attack.epsilon = GetParam().epsilon;
  attack.stepSize = 0.01;
  attack.steps = 40;
  rdi::train::Evaluator evaluator(model, images, options);
  const auto rule = rdi::graph::readMetadata(model).rule;
  ASSERT_TRUE(rule.has_value());
  // Three standard errors of so few images below what holds on all 10,000.
  const double margin =
      3 * std::sqrt(GetParam().attacked * (1 - GetParam().attacked) / double(options.limit));
  for (const std::string name : {"single:1", "single:2", "main", "average"}) {
    const auto table = evaluator.scores(rdi::train::attackFormFromName(name, 3), attack);
    EXPECT_GE(rdi::train::applyRule(table, *rule).accuracy, GetParam().attacked - margin) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Shipped, Model,
                         testing::Values(Promise{"rdi-smallcnn-mnist", "mnist", 0.99, 0.93, 0.3},
                                         Promise{"rdi-smallcnn-fashion-mnist", "fashion-mnist", 0.84, 0.68,
                                                 0.1}),
                         [](const auto& parameter) { return nameOf(parameter.param); });

}  // namespace
