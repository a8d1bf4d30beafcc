// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/convert.hpp"

#include <gtest/gtest.h>

#include "converters/inspect.hpp"
#include "graph/attributes.hpp"
#include "graph/cost.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/nested_if.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/graph/naive_run.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::convert {
namespace {

graph::ExitRule calibratedRule() {
  graph::ExitRule rule;
  rule.criterion = graph::Criterion::margin;
  rule.fusion = graph::Fusion::mean;
  rule.patience = 2;
  rule.thresholds = {0.1f, 0.2f};
  return rule;
}

onnx::ModelProto calibrated() {
  auto model = zoo::build("rdi-smallcnn");
  graph::Metadata metadata;
  metadata.rule = calibratedRule();
  metadata.results = {{"accuracy", 0.99}};
  metadata.recipe = {{"epochs", 3}};
  graph::writeMetadata(model, metadata);
  return model;
}

graph::ExitRule ruleOf(const onnx::ModelProto& model) { return graph::readMetadata(model).rule.value(); }

std::string messageOf(const onnx::ModelProto& model, const ConvertOptions& options) {
  try {
    toEarlyExit(model, "in.onnx", options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Convert, TakesTheRuleFromTheMetadata) {
  const auto model = toEarlyExit(calibrated(), "in.onnx", {});
  const auto rule = ruleOf(model), expected = calibratedRule();
  EXPECT_EQ(rule.thresholds, expected.thresholds);
  EXPECT_EQ(rule.criterion, expected.criterion);
  EXPECT_EQ(rule.fusion, expected.fusion);
  EXPECT_EQ(rule.patience, expected.patience);
  const auto metadata = graph::readMetadata(model);
  EXPECT_EQ(metadata.results, (nlohmann::json{{"accuracy", 0.99}}));  // measured with this very rule
  EXPECT_EQ(metadata.recipe, (nlohmann::json{{"epochs", 3}}));
  EXPECT_EQ(metadata.architecture, "rdi-smallcnn");
}

TEST(Convert, OptionsGoBeforeTheMetadataAndThenItsResultsAreGone) {
  ConvertOptions options;
  options.thresholds = {0.5f, 0.6f};
  options.criterion = graph::Criterion::entropy;
  options.fusion = graph::Fusion::last;
  options.patience = 1;
  const auto model = toEarlyExit(calibrated(), "in.onnx", options);
  const auto rule = ruleOf(model);
  EXPECT_EQ(rule.thresholds, *options.thresholds);
  EXPECT_EQ(rule.criterion, graph::Criterion::entropy);
  EXPECT_EQ(rule.fusion, graph::Fusion::last);
  EXPECT_EQ(rule.patience, 1);
  EXPECT_TRUE(graph::readMetadata(model).results.is_null());
  for (const auto& node : model.graph().node()) {
    if (node.op_type() != "RdiEarlyExit") continue;
    EXPECT_EQ(graph::stringAttribute(node, "criterion", ""), "entropy");
    EXPECT_EQ(graph::stringAttribute(node, "fusion", ""), "last");
    EXPECT_EQ(graph::intAttribute(node, "patience", 0), 1);
  }
}

TEST(Convert, KeepsTheThresholdsOfTheExitsThatAreKept) {
  ConvertOptions options;
  options.exits = {"exit2", "main"};
  const auto model = toEarlyExit(calibrated(), "in.onnx", options);
  EXPECT_EQ(ruleOf(model).thresholds, (std::vector<float>{0.2f}));
  EXPECT_TRUE(graph::readMetadata(model).results.is_null());
  options.exits = {"exit1", "exit2"};  // exit2 takes what is left
  EXPECT_EQ(ruleOf(toEarlyExit(calibrated(), "in.onnx", options)).thresholds, (std::vector<float>{0.1f}));
}

onnx::ModelProto withPoints() {
  auto model = calibrated();
  graph::Metadata metadata;
  graph::ExitRule fast;
  fast.thresholds = {1.5f, 1.25f};
  metadata.operatingPoints = {{"careful", calibratedRule(), nullptr}, {"fast", fast, {{"policy", "cost"}}}};
  graph::writeMetadata(model, metadata);
  return model;
}

/// What the plugin is offered, from the attribute of the main exit's gate.
std::vector<graph::OperatingPoint> offeredBy(const onnx::ModelProto& model) {
  for (const auto& node : model.graph().node())
    if (node.name() == "exit") {
      const std::string value = graph::stringAttribute(node, "operating_points", "");
      if (!value.empty()) return graph::pointsFromJson(nlohmann::json::parse(value));
    }
  return {};
}

TEST(Convert, KeepsTheOperatingPoints) {
  const auto model = toEarlyExit(withPoints(), "in.onnx", {});
  EXPECT_TRUE(graph::sameRule(ruleOf(model), calibratedRule()));
  EXPECT_EQ(graph::pointsToJson(graph::readMetadata(model).operatingPoints),
            graph::pointsToJson(graph::readMetadata(withPoints()).operatingPoints));
  EXPECT_EQ(graph::readMetadata(toNestedIf(withPoints(), "in.onnx", {})).operatingPoints.size(), 2U);
  const auto offered = offeredBy(model);
  ASSERT_EQ(offered.size(), 3U);
  EXPECT_EQ(offered[0].name, "careful");
  EXPECT_EQ(offered[1].name, "default");
  EXPECT_TRUE(graph::sameRule(offered[1].rule, calibratedRule()));
  EXPECT_EQ(offered[2].rule.thresholds, (std::vector<float>{1.5f, 1.25f}));
}

TEST(Convert, AFileWithoutPointsIsWhatItWasBeforeThereWereAny) {
  const auto model = toEarlyExit(calibrated(), "in.onnx", {});
  for (const auto& entry : model.metadata_props()) EXPECT_NE(entry.key(), "rdi.operating_points");
  for (const auto& node : model.graph().node())
    for (const auto& attribute : node.attribute()) EXPECT_NE(attribute.name(), "operating_points");
}

TEST(Convert, AnOperatingPointTakesThePlaceOfTheRule) {
  ConvertOptions options;
  options.operatingPoint = "fast";
  const auto model = toEarlyExit(withPoints(), "in.onnx", options);
  EXPECT_EQ(ruleOf(model).thresholds, (std::vector<float>{1.5f, 1.25f}));
  EXPECT_EQ(ruleOf(model).criterion, graph::Criterion::entropy);
  EXPECT_EQ(ruleOf(model).fusion, graph::Fusion::last);
  EXPECT_EQ(graph::pointNamed(offeredBy(model), "default").rule.thresholds, ruleOf(model).thresholds);
  EXPECT_TRUE(graph::readMetadata(model).results.is_null()) << "measured with another rule";
  EXPECT_EQ(graph::readMetadata(model).calibration, (nlohmann::json{{"policy", "cost"}}));
  EXPECT_EQ(ruleOf(toNestedIf(withPoints(), "in.onnx", options)).thresholds, ruleOf(model).thresholds);

  options.operatingPoint = "default";
  EXPECT_EQ(graph::serialize(toEarlyExit(withPoints(), "in.onnx", options)),
            graph::serialize(toEarlyExit(withPoints(), "in.onnx", {})));
  options.operatingPoint = "fats";
  EXPECT_EQ(messageOf(withPoints(), options),
            "in.onnx: has no operating point 'fats'; did you mean fast?; it has careful, fast");
}

TEST(Convert, KeepsThePointsThresholdsOfTheExitsThatAreKept) {
  ConvertOptions options;
  options.exits = {"exit2", "main"};
  const auto points = graph::readMetadata(toEarlyExit(withPoints(), "in.onnx", options)).operatingPoints;
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[1].rule.thresholds, (std::vector<float>{1.25f}));
  EXPECT_TRUE(points[1].calibration.is_null()) << "it speaks of other exits";
  options.exits = {"main", "exit1"};
  options.thresholds = {0.5f};
  EXPECT_TRUE(graph::readMetadata(toEarlyExit(withPoints(), "in.onnx", options)).operatingPoints.empty())
      << "no point has a threshold for the main exit";
  options = {};
  options.exits = {"main"};
  EXPECT_TRUE(graph::readMetadata(toEarlyExit(withPoints(), "in.onnx", options)).operatingPoints.empty());
}

TEST(Convert, InspectShowsThePointsAndWhichOneIsTheDefault) {
  for (const auto& model : {withPoints(), toEarlyExit(withPoints(), "in.onnx", {})}) {
    const auto points = inspect(model, "in.onnx", 1).at("operating_points");
    ASSERT_EQ(points.size(), 2U);
    EXPECT_EQ(points[0].at("name"), "careful");
    EXPECT_EQ(points[0].at("is_default"), true);
    EXPECT_EQ(points[1].at("is_default"), false);
    EXPECT_EQ(points[1].at("thresholds"), (nlohmann::json{1.5, 1.25}));
  }
  EXPECT_FALSE(inspect(calibrated(), "in.onnx", 1).contains("operating_points"));
}

TEST(Convert, OneExitAloneNeedsNoThreshold) {
  ConvertOptions options;
  options.exits = {"main"};
  const auto model = toEarlyExit(zoo::build("rdi-smallcnn"), "in.onnx", options);
  EXPECT_TRUE(graph::isEarlyExit(model));
  EXPECT_TRUE(ruleOf(model).thresholds.empty());
}

TEST(Convert, WritesTheSameBytesEveryTime) {
  EXPECT_EQ(graph::serialize(toEarlyExit(calibrated(), "a", {})),
            graph::serialize(toEarlyExit(calibrated(), "b", {})));
}

TEST(Convert, MessagesStartWithTheFileAndSayWhatToDo) {
  const auto fresh = zoo::build("rdi-smallcnn");
  ConvertOptions options;
  EXPECT_EQ(messageOf(fresh, options),
            "in.onnx: its metadata holds no thresholds; choose them with 'rdi-evaluate calibrate', or give "
            "--thresholds with 2 values, for exit1, exit2");
  options.criterion = graph::Criterion::entropy;
  EXPECT_EQ(
      messageOf(calibrated(), options),
      "in.onnx: the metadata's thresholds are for criterion margin, not entropy; give --thresholds too");
  options = {};
  options.exits = {"main", "exit1"};
  EXPECT_EQ(
      messageOf(calibrated(), options),
      "in.onnx: the metadata has no threshold for the main exit 'main'; name it last, or give --thresholds");
  options.exits = {"exit9", "main"};
  EXPECT_EQ(messageOf(calibrated(), options),
            "in.onnx: there is no exit 'exit9'; the model has exit1, exit2, main");
  EXPECT_EQ(
      messageOf(toEarlyExit(calibrated(), "x", {}), {}),
      "in.onnx: is an early-exit file already; expected a multi-exit ONNX model as rdi-train writes it");
  EXPECT_EQ(messageOf(toStatic(calibrated(), "x", "main"), {}),
            "in.onnx: has one output only, 'main', expected several exits; to write it as a chain that never "
            "leaves "
            "early, give --exits main");
}

TEST(Convert, AWrongNumberOfRecordedThresholdsIsRefused) {
  auto model = calibrated();
  graph::Metadata metadata;
  metadata.rule = calibratedRule();
  metadata.rule->thresholds = {0.1f};
  graph::writeMetadata(model, metadata);
  EXPECT_NE(messageOf(model, {}).find("1 thresholds for 3 exits"), std::string::npos) << messageOf(model, {});
}

TEST(Convert, WritesNestedIfByTheSameRules) {
  const auto model = toNestedIf(calibrated(), "in.onnx", {});
  EXPECT_TRUE(graph::isNestedIf(model));
  EXPECT_EQ(ruleOf(model).thresholds, calibratedRule().thresholds);
  EXPECT_EQ(graph::readMetadata(model).results, (nlohmann::json{{"accuracy", 0.99}}));
  ConvertOptions options;
  options.exits = {"exit2", "main"};
  const auto two = toNestedIf(calibrated(), "in.onnx", options);
  EXPECT_EQ(ruleOf(two).thresholds, (std::vector<float>{0.2f}));
  EXPECT_TRUE(graph::readMetadata(two).results.is_null());
  EXPECT_THROW(toNestedIf(zoo::build("rdi-smallcnn"), "in.onnx", {}), Error);
  EXPECT_THROW(toNestedIf(toEarlyExit(calibrated(), "x", {}), "in.onnx", {}), Error);
}

// The pieces, run one after the other, compute what the whole does.
TEST(Convert, PartsAddUpToTheModel) {
  auto model = test::tinyMultiExit();
  const auto image = test::randomInput({1, 3, 8, 8}, 4);
  const auto whole = test::runNaively(model, image);
  std::map<std::string, test::Tensor> known{{"image", image}};
  for (const std::string part : {"stage1", "exit1", "stage2", "classifier_exit2", "main"}) {
    const auto piece = toPart(model, "in.onnx", {}, part);
    std::map<std::string, test::Tensor> inputs;
    for (const auto& input : piece.graph().input()) inputs[input.name()] = known.at(input.name());
    const auto found = test::runNaively(piece, inputs);
    for (const auto& output : piece.graph().output()) known[output.name()] = found.at(output.name());
  }
  for (const auto& exit : graph::exitNames(model))
    EXPECT_LT(test::relativeDifference(whole.at(exit), known.at(exit)), 1e-5) << exit;
}

TEST(Convert, PartsOfAnEarlyExitFileAreThoseItHolds) {
  const auto model = calibrated();
  const auto early = toEarlyExit(model, "a", {});
  for (const std::string part : {"stage1", "classifier_exit1", "exit2", "main"})
    EXPECT_EQ(graph::serialize(toPart(early, "a", {}, part)), graph::serialize(toPart(model, "a", {}, part)));
  const auto messageFor = [](const onnx::ModelProto& from, const std::string& part) -> std::string {
    try {
      toPart(from, "in.onnx", {}, part);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  for (const auto& from : {model, early})
    EXPECT_EQ(messageFor(from, "stage9"),
              "in.onnx: there is no part 'stage9'; the model has stage1, classifier_exit1, stage2, "
              "classifier_exit2, classifier_main");
}

TEST(Inspect, ReadsANestedIfFile) {
  const auto multi = inspect(calibrated(), "a", 1),
             nested = inspect(toNestedIf(calibrated(), "a", {}), "b", 2);
  EXPECT_EQ(nested.at("kind"), "nested-if");
  EXPECT_EQ(nested.at("classes"), 10);
  ASSERT_EQ(nested.at("exits").size(), 3u);
  for (size_t k = 0; k < 3; ++k)
    for (const char* key : {"name", "own_macs", "paid_macs", "threshold", "share_of_static"})
      EXPECT_EQ(nested.at("exits")[k].at(key), multi.at("exits")[k].at(key)) << key;
  auto bare = toNestedIf(calibrated(), "a", {});
  bare.clear_metadata_props();
  EXPECT_THROW(inspect(bare, "a", 1), Error);
}

TEST(Inspect, AgreesWithTheCostOfTheModelBeforeAndAfterConversion) {
  const auto model = calibrated();
  const auto costs = graph::exitCosts(model);
  const auto before = inspect(model, "a.onnx", 10),
             after = inspect(toEarlyExit(model, "a", {}), "b.onnx", 20);
  EXPECT_EQ(before.at("kind"), "multi-exit");
  EXPECT_EQ(after.at("kind"), "early-exit");
  EXPECT_EQ(before.at("parameters"), 836846);
  EXPECT_EQ(after.at("classes"), 10);
  ASSERT_EQ(before.at("exits").size(), costs.size());
  ASSERT_EQ(after.at("exits").size(), costs.size());
  for (size_t k = 0; k < costs.size(); ++k)
    for (const auto& found : {before.at("exits")[k], after.at("exits")[k]}) {
      EXPECT_EQ(found.at("name"), costs[k].exit);
      EXPECT_EQ(found.at("own_macs"), costs[k].own.total());
      EXPECT_EQ(found.at("paid_macs"), costs[k].paid.total());
      EXPECT_DOUBLE_EQ(found.at("paper_mi"), costs[k].paperMi());
      EXPECT_DOUBLE_EQ(found.at("share_of_static"), static_cast<double>(costs[k].paid.total()) / 9952400);
    }
  EXPECT_EQ(after.at("exits")[1].at("threshold"), 0.2);
  EXPECT_TRUE(after.at("exits")[2].at("threshold").is_null());
}

TEST(Inspect, SaysWhichEngineRunsAStageAndWhy) {
  ConvertOptions options;
  const auto ours = inspect(toEarlyExit(calibrated(), "a", options), "a", 1).at("stages");
  for (const auto& stage : ours) {
    EXPECT_EQ(stage.at("engine"), "onednn") << stage;
    EXPECT_EQ(stage.at("why"), "") << stage;
  }
  options.engine = "opencv";
  const auto theirs = inspect(toEarlyExit(calibrated(), "a", options), "a", 1).at("stages");
  for (const auto& stage : theirs) {
    EXPECT_EQ(stage.at("engine"), "opencv") << stage;
    EXPECT_EQ(stage.at("why"), "--engine opencv was given") << stage;
  }
  auto odd = calibrated();  // an activation that the oneDNN engine lacks
  for (auto& node : *odd.mutable_graph()->mutable_node())
    if (node.name() == "relu3") node.set_op_type("Softsign");
  const auto stages = inspect(toEarlyExit(odd, "a", {}), "a", 1).at("stages");
  for (const auto& stage : stages) {
    const bool second = stage.at("name") == "stage2";
    EXPECT_EQ(stage.at("engine"), second ? "opencv" : "onednn") << stage;
    EXPECT_EQ(stage.at("why").get<std::string>().find("Softsign") != std::string::npos, second) << stage;
  }
}

TEST(Inspect, DamagedPartsOfAnEarlyExitFileAreErrors) {
  const auto model = toEarlyExit(calibrated(), "a", {});
  const auto damaged = [&](const std::string& type, const std::string& attribute, const std::string& value) {
    auto copy = model;
    for (auto& node : *copy.mutable_graph()->mutable_node())
      if (node.op_type() == type) graph::setAttribute(node, attribute, value);
    return copy;
  };
  EXPECT_THROW(inspect(damaged("RdiStage", "graph", ""), "a", 1), Error);
  EXPECT_THROW(inspect(damaged("RdiStage", "graph", "no protobuf"), "a", 1), Error);
  EXPECT_THROW(inspect(damaged("RdiEarlyExit", "paid_macs", "many"), "a", 1), Error);
  EXPECT_THROW(inspect(damaged("RdiEarlyExit", "own_macs", "-5"), "a", 1), Error);
  auto noGates = model;
  for (auto& node : *noGates.mutable_graph()->mutable_node())
    if (node.op_type() == "RdiEarlyExit") node.set_op_type("Other");
  EXPECT_THROW(inspect(noGates, "a", 1), Error);
}

/// The middle activation of tinyMultiExit is something else.
onnx::ModelProto withActivation(const std::string& type) {
  auto model = test::tinyMultiExit();
  for (auto& node : *model.mutable_graph()->mutable_node())
    if (node.name() == "node_relu2") node.set_op_type(type);
  return model;
}

TEST(Convert, WhatNoEngineCanRunIsRefusedWithOperatorAndNode) {
  ConvertOptions options;
  options.thresholds = {0.5f, 0.5f};
  EXPECT_EQ(messageOf(withActivation("Round"), options),
            "in.onnx: no engine can run stage2: the onednn engine stops at operator Round, node "
            "'node_relu2': the oneDNN engine does not have it; the opencv engine at operator Round, node "
            "'node_relu2': OpenCV's engine does not have it");
  options.engine = "opencv";
  EXPECT_EQ(messageOf(withActivation("Round"), options),
            "in.onnx: the opencv engine cannot run stage2: operator Round, node 'node_relu2': OpenCV's "
            "engine does not have it");
  options.engine = "onednn";
  EXPECT_EQ(messageOf(withActivation("Softplus"), options),
            "in.onnx: the onednn engine cannot run stage2: operator Softplus, node 'node_relu2': the oneDNN "
            "engine does not have it");
  options.engine = "auto";
  EXPECT_EQ(messageOf(withActivation("Softplus"), options), "no error");
}

}  // namespace
}  // namespace rdi::convert
