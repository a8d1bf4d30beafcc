// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/precision.hpp"

#include <gtest/gtest.h>

#include "graph/error.hpp"

namespace rdi::graph {
namespace {

onnx::ModelProto stageOf(const std::vector<std::string>& tensors) {
  onnx::ModelProto stage;
  stage.mutable_graph()->add_input()->set_name("x");
  for (const auto& tensor : tensors) stage.mutable_graph()->add_node()->add_output(tensor);
  return stage;
}

TEST(Precision, NamesAreReadAsTheyAreWritten) {
  for (const Precision precision : {Precision::float32, Precision::bf16, Precision::int8})
    EXPECT_EQ(precisionFromName(nameOf(precision)), precision);
  EXPECT_THROW(precisionFromName("fp8"), Error);
  EXPECT_THROW(precisionFromName(""), Error);
}

TEST(Precision, AStageCarriesTheRangesOfItsOwnTensors) {
  onnx::ModelProto stage = stageOf({"y"});
  writeRanges(stage, {{"x", {-1, 2.5f}}, {"y", {0, 0.1f}}, {"z", {0, 1}}});
  const RangeMap ranges = readRanges(stage);
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges.at("x").low, -1);
  EXPECT_EQ(ranges.at("x").high, 2.5f);
  EXPECT_EQ(ranges.at("y").high, 0.1f) << "to the bit";
  EXPECT_TRUE(readRanges(stageOf({})).empty());
}

TEST(Precision, DamagedRangesAreRefusedByName) {
  for (const char* json : {"[1]", "{\"y\": 3}", "{\"y\": [1]}", "{\"y\": [2, 1]}", "{\"y\": [0, \"a\"]}",
                           "{\"y\": [0, 1e999]}", "{\"y\": [0, 1", ""}) {
    onnx::ModelProto stage = stageOf({"y"});
    auto* property = stage.add_metadata_props();
    property->set_key("rdi.ranges");
    property->set_value(json);
    try {
      readRanges(stage);
      ADD_FAILURE() << json;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("rdi.ranges"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace rdi::graph
