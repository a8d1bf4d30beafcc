// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/metadata.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/cost.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::graph {
namespace {

Metadata everything() {
  Metadata metadata;
  metadata.architecture = "rdi-test";
  metadata.classNames = {"cat", "dog \"quoted\"", "\xc3\xa9t\xc3\xa9"};
  Preprocessing pixels;
  pixels.scale = 0.25;
  pixels.mean = {1, 2.5, 3};
  pixels.swapRB = true;
  pixels.channels = 3;
  pixels.height = 32;
  pixels.width = 48;
  metadata.preprocessing = pixels;
  ExitRule rule;
  rule.criterion = Criterion::maxProbability;
  rule.fusion = Fusion::mean;
  rule.patience = 2;
  rule.scores = Scores::probabilities;
  rule.thresholds = {0.1f, INFINITY, -INFINITY, 1e-20f};
  metadata.rule = rule;
  metadata.results = {{"accuracy", 0.5}};
  metadata.calibration = {{"policy", "cost"}};
  metadata.recipe = {{"epochs", 7}};
  return metadata;
}

TEST(Metadata, EverythingSurvivesAFile) {
  auto model = test::tinyMultiExit();
  auto written = everything();
  written.cost = costToJson(model);
  writeMetadata(model, written);
  const std::string bytes = serialize(model);
  const auto read = readMetadata(parseModel(bytes.data(), bytes.size(), "test"));
  EXPECT_EQ(read.architecture, written.architecture);
  EXPECT_EQ(read.classNames, written.classNames);
  ASSERT_TRUE(read.preprocessing && read.rule);
  EXPECT_EQ(read.preprocessing->scale, 0.25);
  EXPECT_EQ(read.preprocessing->mean, (std::vector<double>{1, 2.5, 3}));
  EXPECT_TRUE(read.preprocessing->swapRB);
  EXPECT_EQ(read.preprocessing->channels, 3);
  EXPECT_EQ(read.preprocessing->height, 32);
  EXPECT_EQ(read.preprocessing->width, 48);
  EXPECT_EQ(read.rule->criterion, Criterion::maxProbability);
  EXPECT_EQ(read.rule->fusion, Fusion::mean);
  EXPECT_EQ(read.rule->patience, 2);
  EXPECT_EQ(read.rule->scores, Scores::probabilities);
  EXPECT_EQ(read.rule->thresholds, written.rule->thresholds);  // to the bit, infinities too
  EXPECT_EQ(read.cost, written.cost);
  EXPECT_EQ(read.results, written.results);
  EXPECT_EQ(read.calibration, written.calibration);
  EXPECT_EQ(read.recipe, written.recipe);
}

TEST(Metadata, AModelWithoutAnyHasEmptyFields) {
  const auto read = readMetadata(test::tinyMultiExit());
  EXPECT_TRUE(read.architecture.empty());
  EXPECT_TRUE(read.classNames.empty());
  EXPECT_FALSE(read.preprocessing);
  EXPECT_FALSE(read.rule);
  EXPECT_TRUE(read.cost.is_null() && read.results.is_null() && read.recipe.is_null());
}

TEST(Metadata, WritingReplacesItsKeysAndLeavesOthersAlone) {
  auto model = test::tinyMultiExit();
  auto* foreign = model.add_metadata_props();
  foreign->set_key("author");
  foreign->set_value("somebody");
  writeMetadata(model, everything());
  const int count = model.metadata_props_size();
  Metadata changed;
  changed.architecture = "rdi-other";
  writeMetadata(model, changed);
  EXPECT_EQ(model.metadata_props_size(), count);
  EXPECT_EQ(model.metadata_props(0).value(), "somebody");
  const auto read = readMetadata(model);
  EXPECT_EQ(read.architecture, "rdi-other");
  EXPECT_EQ(read.rule->patience, 2);
  eraseResults(model);
  EXPECT_EQ(model.metadata_props_size(), count - 2);
  EXPECT_TRUE(readMetadata(model).results.is_null() && readMetadata(model).calibration.is_null());
  EXPECT_EQ(readMetadata(model).recipe, everything().recipe);
}

TEST(Metadata, DamagedValuesAreErrorsThatNameTheKey) {
  struct Case {
    const char *key, *value;
  };
  const Case cases[] = {
      {"rdi.class_names", "[\"a\", "},
      {"rdi.class_names", "{\"a\": 1}"},
      {"rdi.class_names", "[1, 2]"},
      {"rdi.preprocessing", "nothing"},
      {"rdi.preprocessing", "[]"},
      {"rdi.preprocessing", "{\"scale\": \"big\"}"},
      {"rdi.preprocessing", "{\"mean\": 3}"},
      {"rdi.rule", ""},
      {"rdi.rule", "{"},
      {"rdi.rule", "7"},
      {"rdi.rule", "{\"criterion\": \"hope\"}"},
      {"rdi.rule", "{\"fusion\": 1}"},
      {"rdi.rule", "{\"thresholds\": [\"high\"]}"},
      {"rdi.rule", "{\"thresholds\": [null]}"},
      {"rdi.rule", "{\"thresholds\": [\"nan\"]}"},
      {"rdi.rule", "{\"thresholds\": [1e999]}"},
      {"rdi.operating_points", "[]"},
      {"rdi.operating_points", "{\"fast\": 1}"},
      {"rdi.operating_points", "{\"fast\": {\"thresholds\": [\"nan\"]}}"},
      {"rdi.cost", "]"},
      {"rdi.results", "\xff\xfe"},
      {"rdi.calibration", "}"},
      {"rdi.recipe", "{'single': 1}"},
  };
  for (const auto& damaged : cases) {
    auto model = test::tinyMultiExit();
    auto* entry = model.add_metadata_props();
    entry->set_key(damaged.key);
    entry->set_value(damaged.value);
    try {
      readMetadata(model);
      ADD_FAILURE() << damaged.key << " = " << damaged.value << " was read";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(damaged.key), std::string::npos) << error.what();
    }
  }
}

TEST(Metadata, NumbersThatJsonLacksAreWords) {
  for (const double value : {0.1, -3.0, 0.0, double(INFINITY), -double(INFINITY)})
    EXPECT_EQ(numberFromJson(nlohmann::json::parse(numberToJson(value).dump())), value);
  EXPECT_EQ(numberToJson(INFINITY), "inf");
  EXPECT_EQ(numberToJson(-INFINITY), "-inf");
  EXPECT_EQ(numberToJson(NAN), "nan");
  EXPECT_TRUE(std::isnan(numberFromJson("nan")));
  EXPECT_THROW(numberFromJson("infinite"), Error);
}

TEST(Metadata, CostsAreReadBack) {
  const auto model = test::tinyMultiExit();
  const auto costs = exitCosts(model), read = costFromJson(costToJson(costs));
  EXPECT_EQ(costToJson(model), costToJson(costs));
  ASSERT_EQ(read.size(), costs.size());
  for (size_t k = 0; k < costs.size(); ++k) {
    EXPECT_EQ(read[k].exit, costs[k].exit);
    EXPECT_EQ(read[k].own.conv, costs[k].own.conv);
    EXPECT_EQ(read[k].own.linear, costs[k].own.linear);
    EXPECT_EQ(read[k].paid.conv, costs[k].paid.conv);
    EXPECT_EQ(read[k].paid.linear, costs[k].paid.linear);
  }
}

TEST(Metadata, NamesThatAreNotUtf8AreWrittenAllTheSame) {
  auto model = test::tinyMultiExit();
  Metadata metadata;
  metadata.classNames = {"\xff\xfe"};
  EXPECT_NO_THROW(writeMetadata(model, metadata));
  EXPECT_EQ(readMetadata(model).classNames.size(), 1u);
}

TEST(Metadata, CostAsJsonIsTheCost) {
  const auto model = test::tinyMultiExit();
  const auto costs = exitCosts(model);
  const auto json = costToJson(model);
  ASSERT_EQ(json.size(), costs.size());
  for (size_t k = 0; k < costs.size(); ++k) {
    EXPECT_EQ(json[k].at("exit"), costs[k].exit);
    EXPECT_EQ(json[k].at("own_conv"), costs[k].own.conv);
    EXPECT_EQ(json[k].at("own_linear"), costs[k].own.linear);
    EXPECT_EQ(json[k].at("paid_conv"), costs[k].paid.conv);
    EXPECT_EQ(json[k].at("paid_linear"), costs[k].paid.linear);
  }
}

TEST(Metadata, ScoresAreProbabilitiesWhenEveryExitEndsInSoftmax) {
  auto model = test::tinyMultiExit();
  const auto exits = exitNames(model);
  EXPECT_EQ(kindOfScores(model, exits), Scores::logits);
  // Each exit's tensor gets Softmax and an Identity behind it, as exporters write them.
  for (size_t k = 0; k < exits.size(); ++k) {
    auto* graph = model.mutable_graph();
    for (auto& node : *graph->mutable_node())
      for (auto& output : *node.mutable_output())
        if (output == exits[k]) output = exits[k] + "_logits";
    auto* softmax = graph->add_node();
    softmax->set_op_type("Softmax");
    softmax->add_input(exits[k] + "_logits");
    softmax->add_output(exits[k] + "_soft");
    auto* identity = graph->add_node();
    identity->set_op_type("Identity");
    identity->add_input(exits[k] + "_soft");
    identity->add_output(exits[k]);
    if (k + 1 < exits.size()) {
      EXPECT_THROW(kindOfScores(model, exits), Error);
    } else {
      EXPECT_EQ(kindOfScores(model, exits), Scores::probabilities);
    }
  }
}

TEST(Cost, FractionsWeighTheExitsByTheirShares) {
  std::vector<ExitCost> costs(3);
  costs[0].own = {1 << 20, 0};
  costs[0].paid = {1 << 20, 0};
  costs[1].own = {3 << 20, 0};
  costs[1].paid = {4 << 20, 0};
  costs[2].own = {4 << 20, 4 << 20};
  costs[2].paid = {8 << 20, 4 << 20};
  EXPECT_DOUBLE_EQ(paidFraction(costs, {1, 0, 0}), 0.125);
  EXPECT_DOUBLE_EQ(paidFraction(costs, {0, 0, 1}), 1.5);  // a loss, when nobody leaves early
  EXPECT_DOUBLE_EQ(paidFraction(costs, {0.5, 0.25, 0.25}), (0.5 * 1 + 0.25 * 4 + 0.25 * 12) / 8);
  EXPECT_DOUBLE_EQ(paperFraction(costs, {0.5, 0.25, 0.25}), (0.5 * 1 + 0.25 * 3 + 0.25 * 4) / 4);
  EXPECT_THROW(paidFraction(costs, {1, 0}), Error);
}

}  // namespace
}  // namespace rdi::graph
