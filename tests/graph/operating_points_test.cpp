// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/operating_points.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::graph {
namespace {

ExitRule ruleWith(const std::vector<float>& thresholds) {
  ExitRule rule;
  rule.thresholds = thresholds;
  return rule;
}

OperatingPoint careful() {
  OperatingPoint point{"careful", ruleWith({0.1f, -INFINITY}), {{"policy", "robust"}}};
  point.rule.criterion = Criterion::margin;
  point.rule.fusion = Fusion::mean;
  point.rule.patience = 2;
  return point;
}

std::string messageOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

onnx::ModelProto modelWith(const std::vector<OperatingPoint>& points) {
  onnx::ModelProto model = test::tinyMultiExit();
  Metadata metadata;
  metadata.rule = ruleWith({0.3f, 0.4f});
  metadata.operatingPoints = points;
  writeMetadata(model, metadata);
  return model;
}

TEST(OperatingPoints, AreReadAsTheyWereWritten) {
  const OperatingPoint fast{"fast", ruleWith({1, INFINITY}), nullptr};
  const auto points = readMetadata(modelWith({careful(), fast})).operatingPoints;
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].name, "careful");
  EXPECT_TRUE(sameRule(points[0].rule, careful().rule));
  EXPECT_EQ(points[0].calibration, careful().calibration);
  EXPECT_EQ(points[1].name, "fast");
  EXPECT_TRUE(sameRule(points[1].rule, fast.rule));
  EXPECT_TRUE(points[1].calibration.is_null());
}

TEST(OperatingPoints, OneOfTheSameNameIsReplaced) {
  std::vector<OperatingPoint> points;
  for (const char* name : {"fast", "careful", "balanced", "fast"})
    setPoint(points, {name, ruleWith({static_cast<float>(points.size()), 0}), nullptr});
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0].name, "balanced");
  EXPECT_EQ(points[2].name, "fast");
  EXPECT_EQ(points[2].rule.thresholds[0], 3);
}

TEST(OperatingPoints, AWrongNameIsAnsweredWithThoseThatAreThere) {
  std::vector<OperatingPoint> points;
  EXPECT_EQ(
      messageOf([&] { pointNamed(points, "fast"); }),
      "has no operating points, so none called 'fast'; rdi-evaluate calibrate --operating-point adds them");
  setPoint(points, careful());
  setPoint(points, {"fast", ruleWith({1, 1}), nullptr});
  EXPECT_EQ(pointNamed(points, "fast").name, "fast");
  EXPECT_EQ(messageOf([&] { pointNamed(points, "carefull"); }),
            "has no operating point 'carefull'; did you mean careful?; it has careful, fast");
  EXPECT_EQ(messageOf([&] { pointNamed(points, "slow"); }),
            "has no operating point 'slow'; it has careful, fast");
}

TEST(OperatingPoints, NamesAreWords) {
  for (const char* good : {"fast", "careful-2", "A_b"})
    EXPECT_EQ(messageOf([&] { checkPointName(good); }), "no error");
  for (const char* bad : {"", "very fast", "fast,slow", "sch\xc3\xb6n", "a/b", "a\n"})
    EXPECT_NE(messageOf([&] { checkPointName(bad); }).find("expected letters"), std::string::npos) << bad;
  EXPECT_NE(messageOf([] { checkPointName("default"); }).find("answers by when nothing is said"),
            std::string::npos);
}

TEST(OperatingPoints, TheRuleOfTheFileIsTheDefaultAmongThem) {
  EXPECT_TRUE(withDefault({}, ruleWith({1})).empty()) << "nothing to choose from";
  const auto all = withDefault({careful()}, ruleWith({1, 2}));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_TRUE(sameRule(pointNamed(all, kDefaultPoint).rule, ruleWith({1, 2})));
}

TEST(OperatingPoints, ThatDoNotFitTheExitsAreNamed) {
  const auto build = [](const OperatingPoint& point) {
    return messageOf([&] { buildEarlyExit(modelWith({point})); });
  };
  EXPECT_EQ(build(careful()), "no error");
  EXPECT_EQ(build({"fast", ruleWith({1}), nullptr}).rfind("operating point fast: there are 1 thresholds", 0),
            0U);
  OperatingPoint impatient = careful();
  impatient.rule.patience = 0;
  EXPECT_NE(build(impatient).find("operating point careful: patience is 0"), std::string::npos);
}

TEST(OperatingPoints, GoWithTheWeightsAndExitsThatTheyWereMadeFor) {
  auto model = modelWith({careful()});
  eraseResults(model);
  EXPECT_EQ(readMetadata(model).operatingPoints.size(), 1U) << "another rule of the same net";
  EXPECT_TRUE(readMetadata(buildStatic(model, exitNames(model).back())).operatingPoints.empty());
  eraseRuleAndResults(model);
  EXPECT_TRUE(readMetadata(model).operatingPoints.empty());
}

}  // namespace
}  // namespace rdi::graph
