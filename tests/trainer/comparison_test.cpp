// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/comparison.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "graph/error.hpp"
#include "tests/trainer/page.hpp"
#include "tests/trainer/sample_evaluation.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

using test::count;

std::vector<Compared> twoModels() {
  return {{"multi.json", test::multiExitSample()}, {"single.json", test::singleExitSample()}};
}

// How a changed second model is refused.
template <typename Change>
std::string refusal(Change change) {
  std::vector<Compared> models = twoModels();
  change(models[1].evaluation);
  try {
    checkComparable(models);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Comparison, ModelsOnTheSameImagesWithinTheSameBallAreComparable) {
  EXPECT_EQ(refusal([](Evaluation&) {}), "");
  EXPECT_EQ(refusal([](Evaluation& e) { e.rows.resize(1); }), "");  // clean images alone
  EXPECT_EQ(refusal([](Evaluation& e) { e.seed = 7; }), "");
  // As a program writes it that knows 8/255 as 0.03137.
  EXPECT_EQ(refusal([](Evaluation& e) {
              for (size_t i = 1; i < e.rows.size(); ++i) e.rows[i].settings["epsilon"] = 0.03137;
            }),
            "");
}

TEST(Comparison, WhatDiffersIsNamed) {
  EXPECT_EQ(refusal([](Evaluation& e) { e.data = "mnist"; }),
            "single.json: is not comparable with multi.json: found data mnist, expected cifar10; evaluate "
            "both in the "
            "same way");
  EXPECT_NE(refusal([](Evaluation& e) { e.set = "held-out"; }).find("found set held-out, expected test"),
            std::string::npos);
  EXPECT_NE(refusal([](Evaluation& e) { e.imageCount = 500; }).find("found images: 500, expected 1000"),
            std::string::npos);
  EXPECT_NE(refusal([](Evaluation& e) { e.classNames.pop_back(); }).find("other classes"), std::string::npos);
  EXPECT_NE(refusal([](Evaluation& e) {
              for (size_t i = 1; i < e.rows.size(); ++i) e.rows[i].settings["epsilon"] = 4.0 / 255;
            }).find("found attacks within linf 4/255, expected linf 8/255"),
            std::string::npos);
  EXPECT_NE(refusal([](Evaluation& e) { e.rows[1].settings["norm"] = "l2"; }).find("found attacks within l2"),
            std::string::npos);
}

TEST(Comparison, TableHasALineAModelAndWhatToMind) {
  const std::string table = comparisonTable(twoModels());
  for (const char* line : {"1000 test images of cifar10; attacks within linf 8/255; accuracies in %\n",
                           "\nmodel                      exits  clean  paper worst  adaptive  union  paid, % "
                           " paid MMAC  slowdown, %  "
                           "efficacy  in slowdown\n",
                           "\nrdi-resnet38-cifar10.onnx      7  84.80        42.70     26.00  23.70     85.7 "
                           "    71.390        110.1     "
                           "0.363        0.137\n",
                           "\nresnet38-cifar10.onnx          1  83.60        42.30     26.30  23.60    100.0 "
                           "    83.281            -      "
                           "   -            -\n",
                           "\nThe unions are not over the same rows: rdi-resnet38-cifar10.onnx 20, "
                           "resnet38-cifar10.onnx 5 of 22.\n"})
    EXPECT_NE(table.find(line), std::string::npos) << line << table;
}

TEST(Comparison, ModelsOfOneNameAreToldApartByTheirFiles) {
  const std::vector<Compared> models = {{"a/results.json", test::multiExitSample()},
                                        {"b/results.json", test::multiExitSample()}};
  const std::string table = comparisonTable(models);
  EXPECT_NE(table.find("\na/results.json "), std::string::npos) << table;
  EXPECT_NE(table.find("\nb/results.json "), std::string::npos) << table;
  EXPECT_EQ(table.find("The unions"), std::string::npos) << table;
}

// Without early exits nobody needs their heads.
TEST(Comparison, ARuleThatNeverLeavesEarlyCostsWhatTheStaticNetDoes) {
  std::vector<Compared> models = twoModels();
  Evaluation& forced = models[0].evaluation;
  for (float& threshold : forced.rule.thresholds) threshold = -std::numeric_limits<float>::infinity();
  forced.rows[0].outcome.shares = {0, 0, 0, 0, 0, 0, 1};
  const std::string table = comparisonTable(models);
  EXPECT_NE(table.find("23.70    100.0     83.281 "), std::string::npos) << table;
}

TEST(Comparison, WhatIsNotComparableIsMarkedInTheTable) {
  std::vector<Compared> models = twoModels();
  models[1].evaluation.data = "mnist";
  const std::string table = comparisonTable(models);
  EXPECT_NE(table.find("\nresnet38-cifar10.onnx !"), std::string::npos) << table;
  EXPECT_NE(table.find("\n! resnet38-cifar10.onnx: not comparable: found data mnist, expected cifar10\n"),
            std::string::npos)
      << table;
}

TEST(Comparison, PageHasTableAndPlots) {
  if (!test::hasGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  std::vector<Compared> models = twoModels();
  models.push_back({"third<.json", test::multiExitSample()});
  models[2].evaluation.model = "other.onnx";
  const HtmlReport report = comparisonPage(models);
  EXPECT_EQ(report.missing, "");
  test::expectCompletePage(report.page);
  EXPECT_EQ(count(report.page, "<svg "), 3U);
  EXPECT_NE(report.page.find("<h1>3 models compared</h1>"), std::string::npos);
  EXPECT_NE(report.page.find(
                "<tr><td>resnet38-cifar10.onnx</td><td>1</td><td>83.60</td><td>42.30</td><td>26.30</td>"
                "<td>23.60</td><td>100.0</td>"),
            std::string::npos);
  EXPECT_NE(report.page.find("<tr><td>apgd-ce main</td><td>49.40</td><td>26.30</td><td>49.40</td></tr>"),
            std::string::npos);
  EXPECT_NE(report.page.find("<tr><td>pgd routed</td><td>31.30</td><td></td><td>31.30</td></tr>"),
            std::string::npos);
}

}  // namespace
}  // namespace rdi::train
