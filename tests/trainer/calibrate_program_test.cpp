// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// rdi-evaluate calibrate as a user runs it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>

#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "tests/converters/run_program.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

using test::TemporaryFolder;

class Calibrate : public testing::Test {
protected:
  // One training for all: 200 images, 300 are held out.
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TemporaryFolder>();
    data_ = test::writeTinyData(shared_->path("data"), 500, 100);
    graph::saveModel(test::tinyNet(true), shared_->path("fresh.onnx"));
    const test::ProgramResult result = test::runProgram(RDI_TRAIN,
                                                        {"--init",
                                                         shared_->path("fresh.onnx"),
                                                         "--data",
                                                         data_,
                                                         "-o",
                                                         shared_->path("run"),
                                                         "--iterations",
                                                         "20",
                                                         "--batch-size",
                                                         "32",
                                                         "--held-out",
                                                         "300",
                                                         "--held-out-seed",
                                                         "1",
                                                         "--attack-steps",
                                                         "2",
                                                         "--step-size",
                                                         "0.03",
                                                         "--epsilon",
                                                         "0.05",
                                                         "--threads",
                                                         "1",
                                                         "--validate-images",
                                                         "0"},
                                                        shared_->path());
    ASSERT_EQ(result.exitCode, 0) << result.err;
  }
  static void TearDownTestSuite() { shared_.reset(); }

  void SetUp() override {
    graph::saveModel(graph::loadModel(shared_->path("run/model.onnx")), model_);
    changeRecipe([](nlohmann::json&) {}, {{"accuracy", 0.5}});
  }

  // Of the model in use; results are those of a rule that a calibration replaces.
  void changeRecipe(const std::function<void(nlohmann::json&)>& change,
                    const nlohmann::json& results = {}) const {
    onnx::ModelProto model = graph::loadModel(model_);
    graph::Metadata metadata;
    metadata.recipe = graph::readMetadata(model).recipe;
    change(metadata.recipe);
    metadata.results = results;
    graph::writeMetadata(model, metadata);
    graph::saveModel(model, model_);
  }

  test::ProgramResult calibrate(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"calibrate", model_, "--data", data_, "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return test::runProgram(RDI_EVALUATE, arguments, folder_.path());
  }

  nlohmann::json calibrated(std::vector<std::string> more) {
    more.insert(more.end(), {"--json", json_});
    const test::ProgramResult result = calibrate(more);
    EXPECT_EQ(result.exitCode, 0) << result.err;
    out_ = result.out;
    err_ = result.err;
    return nlohmann::json::parse(graph::readFile(json_));
  }

  graph::Metadata metadata() const { return graph::readMetadata(graph::loadModel(model_)); }

  void expectRefused(const std::vector<std::string>& more, int exitCode, const std::string& part) const {
    const std::string before = graph::readFile(model_);
    const test::ProgramResult result = calibrate(more);
    EXPECT_EQ(result.exitCode, exitCode) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "\nlacks: " << part;
    EXPECT_TRUE(result.out.empty()) << result.out;
    if (exitCode == 1) {
      EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    }
    EXPECT_TRUE(graph::readFile(model_) == before) << "the model was touched";
  }

  static std::unique_ptr<TemporaryFolder> shared_;
  static std::string data_;
  TemporaryFolder folder_;
  std::string model_ = folder_.path("tiny.onnx"), json_ = folder_.path("found.json"), out_, err_;
};

std::unique_ptr<TemporaryFolder> Calibrate::shared_;
std::string Calibrate::data_;

TEST_F(Calibrate, WritesTheRuleAndHowItWasChosenIntoTheModel) {
  const nlohmann::json json = calibrated(
      {"--policy", "cost", "--max-drop", "3", "--criterion", "any", "--fusion", "any", "--patience", "any"});
  EXPECT_NE(out_.find("chosen on 150 images; the figures are of 150 others"), std::string::npos) << out_;
  const nlohmann::json& found = json["calibration"];
  EXPECT_EQ(found["tried"].size(), 6U) << "two exits: patience 1 alone";
  EXPECT_EQ(json["image_count"], 150);
  // What the evaluation of these images says is what the calibration says.
  EXPECT_NEAR(json["rows"][0]["accuracy"].get<double>(), found["checked_on"]["chosen"]["accuracy"], 1e-12);
  EXPECT_NEAR(json["rows"][0]["paid_fraction"].get<double>(), found["checked_on"]["chosen"]["paid_fraction"],
              1e-12);
  const graph::Metadata written = metadata();
  EXPECT_EQ(graph::ruleToJson(*written.rule), found["rule"]);
  EXPECT_EQ(written.calibration["policy"], "cost");
  EXPECT_EQ(written.calibration["chosen_on"], found["chosen_on"]);
  EXPECT_TRUE(written.results.is_null()) << "measured with the old rule";
  EXPECT_LE(found["chosen_on"]["static"]["accuracy"].get<double>() - 0.03 - 1e-9,
            found["chosen_on"]["chosen"]["accuracy"].get<double>());

  // The file is an evaluation like any other.
  const test::ProgramResult shown = test::runProgram(RDI_EVALUATE, {"report", json_}, folder_.path());
  EXPECT_EQ(shown.exitCode, 0) << shown.err;
  EXPECT_NE(shown.out.find("150 held-out images"), std::string::npos) << shown.out;

  const std::string other = folder_.path("other.onnx"), before = graph::readFile(model_);
  calibrated({"-o", other});
  EXPECT_TRUE(graph::readFile(model_) == before);
  EXPECT_EQ(graph::readMetadata(graph::loadModel(other)).calibration["policy"], "equal-shares");
}

TEST_F(Calibrate, ANamedRuleLeavesTheOneThatTheModelAnswersBy) {
  calibrated({"--policy", "cost", "--max-drop", "1"});
  const graph::Metadata before = metadata();
  calibrated({"--policy", "given", "--thresholds", "inf", "--operating-point", "fast"});
  calibrated({"--policy", "given", "--thresholds=-inf", "--fusion", "mean", "--operating-point", "careful"});
  graph::Metadata after = metadata();
  EXPECT_EQ(graph::ruleToJson(*after.rule), graph::ruleToJson(*before.rule));
  EXPECT_EQ(after.calibration, before.calibration);
  ASSERT_EQ(after.operatingPoints.size(), 2U);
  EXPECT_EQ(after.operatingPoints[0].name, "careful");
  EXPECT_EQ(after.operatingPoints[0].rule.fusion, graph::Fusion::mean);
  EXPECT_EQ(after.operatingPoints[1].calibration["policy"], "given");
  const double cheapest = graph::readMetadata(graph::loadModel(model_))
                              .operatingPoints[1]
                              .calibration["chosen_on"]["chosen"]["paid_fraction"];
  EXPECT_LT(cheapest, before.calibration["chosen_on"]["chosen"]["paid_fraction"]);

  // A model is evaluated by a point as by the same thresholds.
  const auto shown = [&](const std::vector<std::string>& rule) {
    std::vector<std::string> arguments = {model_, "--data", data_, "--threads", "1"};
    arguments.insert(arguments.end(), rule.begin(), rule.end());
    const test::ProgramResult result = test::runProgram(RDI_EVALUATE, arguments, folder_.path());
    EXPECT_EQ(result.exitCode, 0) << result.err;
    return result.out;
  };
  EXPECT_EQ(shown({"--operating-point", "fast"}), shown({"--thresholds", "inf"}));
  EXPECT_EQ(shown({"--operating-point", "default"}), shown({}));
  EXPECT_NE(shown({"--operating-point", "fast"}), shown({}));

  calibrated({"--policy", "given", "--thresholds", "inf", "--operating-point", "fast", "--default"});
  after = metadata();
  EXPECT_EQ(after.operatingPoints.size(), 2U);
  EXPECT_EQ(graph::ruleToJson(*after.rule), graph::ruleToJson(after.operatingPoints[1].rule));
  EXPECT_EQ(after.calibration["policy"], "given");
}

TEST_F(Calibrate, TheFirstNamedRuleOfAModelWithoutAnyIsTheOneItAnswersBy) {
  ASSERT_FALSE(metadata().rule);
  calibrated({"--operating-point", "balanced"});
  ASSERT_TRUE(metadata().rule);
  ASSERT_EQ(metadata().operatingPoints.size(), 1U);
  EXPECT_TRUE(graph::sameRule(*metadata().rule, metadata().operatingPoints[0].rule));
}

TEST_F(Calibrate, AGivenRuleIsMeasuredAsItIs) {
  calibrated({});
  changeRecipe([](nlohmann::json&) {}, {{"accuracy", 0.5}});
  const graph::Metadata before = metadata();
  const nlohmann::json found = calibrated({"--policy", "given"})["calibration"];
  EXPECT_EQ(found["rule"]["thresholds"], graph::ruleToJson(*before.rule)["thresholds"]);
  EXPECT_EQ(found["chosen_on"]["chosen"], before.calibration["chosen_on"]["chosen"]);
  EXPECT_EQ(metadata().results, before.results) << "of the very same rule";
  EXPECT_EQ(out_.find("flatter"), std::string::npos) << out_;
}

TEST_F(Calibrate, TheSameSeedChoosesTheSame) {
  const auto found = [&](const std::string& seed) {
    return calibrated({"--check-share", "30", "--seed", seed})["calibration"];
  };
  const nlohmann::json first = found("1"), second = found("2");
  EXPECT_EQ(found("1"), first);
  EXPECT_NE(first, second) << "another draw of the images that choose";
}

TEST_F(Calibrate, AnAttackThatFollowsTheRuleIsMadeAnewInEveryRound) {
  const nlohmann::json json = calibrated(
      {"--policy",  "robust", "--max-cost",    "90", "--attack",    "pgd",  "--attack-loss", "routed,average",
       "--epsilon", "0.1",    "--steps",       "2",  "--step-size", "0.05", "--limit",       "80",
       "--rounds",  "3",      "--check-share", "50"});
  const nlohmann::json& rounds = json["calibration"]["rounds"];
  ASSERT_GE(rounds.size(), 2U);
  ASSERT_LE(rounds.size(), 4U);
  EXPECT_EQ(rounds[0]["rule"]["thresholds"], (nlohmann::json{"-inf"}));
  double best = 0;
  for (size_t r = 1; r < rounds.size(); ++r)
    best = std::max(best, rounds[r]["found"]["attacked_accuracy"].get<double>());
  EXPECT_NEAR(json["calibration"]["chosen_on"]["chosen"]["attacked_accuracy"].get<double>(), best, 1e-12);
  EXPECT_EQ(json["rows"].size(), 3U) << "clean, routed, average";
  EXPECT_NE(err_.find("round 1: "), std::string::npos) << err_;
  EXPECT_NE(out_.find("expected)"), std::string::npos) << out_;
}

TEST_F(Calibrate, AnInterruptedChoiceGoesOnFromItsFolder) {
  const std::vector<std::string> asked = {
      "--policy",      "robust", "--max-cost", "90",  "--attack", "pgd",
      "--attack-loss", "routed", "--epsilon",  "0.1", "--steps",  "3",
      "--limit",       "60",     "--rounds",   "2",   "--folder", folder_.path("kept")};
  const nlohmann::json first = calibrated(asked);
  const auto written =
      std::filesystem::last_write_time(folder_.path("kept/choosing-round-0/batches/clean.scores"));
  EXPECT_EQ(calibrated(asked)["calibration"], first["calibration"]);
  EXPECT_EQ(std::filesystem::last_write_time(folder_.path("kept/choosing-round-0/batches/clean.scores")),
            written);
}

TEST_F(Calibrate, ProvesARiskOrSaysHowManyImagesThatTakes) {
  const nlohmann::json found =
      calibrated({"--policy", "risk", "--max-risk", "20", "--confidence", "90"})["calibration"];
  EXPECT_EQ(found["proof"]["images"], 150);
  EXPECT_LE(found["proof"]["lost"], found["proof"]["allowed"]);
  EXPECT_EQ(metadata().calibration["proof"], found["proof"]);
  EXPECT_NE(out_.find("proof: of 150 images"), std::string::npos) << out_;
  expectRefused({"--policy", "risk"}, 1, "found 150 images to prove it with, expected at least 299");
}

TEST_F(Calibrate, DrawsTheFrontier) {
  const std::string svg = folder_.path("frontier.svg");
  const std::vector<std::string> asked = {"--policy", "accuracy", "--max-cost", "90", "--frontier", svg};
  if (!test::hasGnuplot()) {
    expectRefused(asked, 1, "gnuplot-nox");
    GTEST_SKIP() << "gnuplot is not installed";
  }
  calibrated(asked);
  const std::string drawn = graph::readFile(svg);
  for (const char* part :
       {"<svg", "paid cost, % of the static net", "chosen rule", "static net", "entropy last 1"})
    EXPECT_NE(drawn.find(part), std::string::npos) << part;
}

TEST_F(Calibrate, ImagesThatWereTrainedOnChooseNothing) {
  changeRecipe([](nlohmann::json& recipe) { recipe["held_out"] = 0; });
  expectRefused({}, 1, "was trained on all images");
  changeRecipe([](nlohmann::json& recipe) { recipe["held_out"] = 300; });
  expectRefused({"--held-out", "301"}, 1, "expected at most 300");
  EXPECT_EQ(calibrated({"--held-out", "40"})["image_count"], 40);
  changeRecipe([](nlohmann::json& recipe) { recipe = {{"seed", 1}}; });
  calibrated({"--held-out", "50"});
  EXPECT_NE(err_.find("does not say which images it was trained on"), std::string::npos) << err_;
}

TEST_F(Calibrate, TheDrawOfTheRecipeIsTheOneThatIsUsed) {
  const auto rule = [&] { return calibrated({"--held-out", "150"})["calibration"]["rule"]; };
  const nlohmann::json drawn = rule();
  changeRecipe([](nlohmann::json& recipe) { recipe["held_out_seed"] = 0; });
  const nlohmann::json last = rule();
  EXPECT_NE(last, drawn);
  changeRecipe([](nlohmann::json& recipe) { recipe.erase("held_out_seed"); });
  EXPECT_EQ(rule(), last) << "models from before there was a seed held out the last images";
}

TEST_F(Calibrate, RefusesWhatMakesNoSense) {
  const auto refuse = [&](const std::vector<std::string>& more, int exitCode, const std::string& part) {
    expectRefused(more, exitCode, part);
  };
  refuse({"--policy", "magic"}, 2, "--policy");
  refuse({"--policy", "accuracy"}, 2, "--max-cost");
  refuse({"--policy", "cost", "--max-cost", "50"}, 2, "is for --policy accuracy or robust");
  refuse({"--max-risk", "1"}, 2, "is for --policy risk");
  refuse({"--thresholds", "1"}, 2, "is for --policy given");
  refuse({"--default"}, 2, "is for a rule with a name");
  refuse({"--operating-point", "default"}, 1, "answers by when nothing is said");
  refuse({"--operating-point", "very fast"}, 1, "found 'very fast'");
  refuse({"--policy", "given"}, 1, "holds no thresholds; give some with --thresholds");
  refuse({"--policy", "given", "--thresholds", "1,2"}, 1, model_ + ": there are 2 thresholds for 2 exits");
  refuse({"--policy", "given", "--thresholds", "1", "--fusion", "any"}, 1, "found 2 kinds of rules");
  refuse({"--policy", "robust", "--max-cost", "50"}, 2, "give --attack");
  refuse({"--policy", "risk", "--check-share", "0"}, 2, "the proof of --policy risk");
  refuse({"--policy", "accuracy", "--max-cost", "1"}, 1, "what exit1 costs");
  refuse({"--policy", "cost", "--max-drop", "-1"}, 1, "--max-drop");
  refuse({"--policy", "risk", "--confidence", "0.95"}, 1, "found 0.95, expected a percentage from 50");
  refuse({"--policy", "risk", "--max-risk", "0"}, 1, "--max-risk");
  refuse({"--check-share", "100"}, 1, "--check-share");
  refuse({"--check-share", "-1"}, 1, "--check-share");
  refuse({"--criterion", "hope"}, 1, "hope");
  refuse({"--fusion", "hope"}, 1, "hope");
  refuse({"--patience", "0"}, 1, "--patience");
  refuse({"--patience", "1,two"}, 1, "found two");
  refuse({"--held-out", "-1"}, 1, "--held-out");
  refuse({"--policy", "cost", "--attack", "wrm"}, 1, "leave the ball");
  refuse({"--policy", "robust", "--max-cost", "90", "--attack", "pgd", "--rounds", "0"}, 1, "--rounds");
  refuse({"--frontier", folder_.path("no/f.svg")}, 1, "no/f.svg: cannot be written");

  onnx::ModelProto single = graph::loadModel(model_);
  single.mutable_graph()->mutable_output()->DeleteSubrange(0, 1);
  graph::saveModel(single, model_);
  refuse({}, 1, model_ + ": has one exit only");
}

}  // namespace
}  // namespace rdi::train
