// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/html_report.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <regex>

#include "graph/error.hpp"
#include "tests/trainer/page.hpp"
#include "tests/trainer/sample_evaluation.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

using test::count;
using test::expectCompletePage;
using test::PathIs;

class HtmlReportTest : public testing::Test {
protected:
  void SetUp() override {
    if (!test::hasGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  }
};

// Number shown in the headline of this name.
std::string headline(const std::string& page, const std::string& name) {
  const size_t at = page.find("<div class=\"headline\">" + name + "<b>");
  if (at == std::string::npos) return "";
  const size_t from = page.find("<b>", at) + 3;
  return page.substr(from, page.find("</b>", from) - from);
}

TEST_F(HtmlReportTest, HasEveryPartOfAMultiExitModel) {
  const Evaluation evaluation = test::multiExitSample();
  const HtmlReport report = htmlReport(evaluation);
  EXPECT_EQ(report.missing, "");
  expectCompletePage(report.page);
  EXPECT_EQ(headline(report.page, "Right, clean"), "84.8 %");
  EXPECT_EQ(headline(report.page, "Right whatever is tried (union)"), "23.7 %");
  EXPECT_EQ(headline(report.page, "Worst adaptive attack"), "26.0 %");
  EXPECT_EQ(headline(report.page, "Paper worst case"), "42.7 %");
  EXPECT_EQ(headline(report.page, "Computation saved, clean"), "14.3 %");
  EXPECT_EQ(headline(report.page, "Saved under slowdown"), "-10.1 %");
  for (const char* title : {"Share of the images leaving at each exit, %", "Right under each attack, %",
                            "Accuracy against cost", "How early images leave"})
    EXPECT_EQ(count(report.page, text("aria-label=\"", title, "\"")), 1U) << title;
  EXPECT_EQ(count(report.page, "<svg "), 4U);
  EXPECT_EQ(count(report.page, "<img "), 7U * 4U);
  EXPECT_EQ(count(report.page, "src=\"data:image/png;base64,iVBOR"), 7U * 4U);
  // The numbers of one row, as the table on a terminal has them.
  const std::regex row(
      "<tr><td>slowdown hinge</td><td>74.70</td><td>0.3</td><td>0.6</td><td>3.5</td><td>11.7</td>"
      "<td>15.0</td><td>11.7</td><td>57.2</td><td>110.1</td><td>91.71</td><td>87.46</td>"
      "<td>89.1</td><td>70.78</td><td>0.137</td><td>1000</td>");
  EXPECT_TRUE(std::regex_search(report.page, row));
  EXPECT_NE(report.page.find("<tr><td>exit4</td><td>0.7664</td><td>69.125</td><td>83.0</td><td>52.478</td>"
                             "<td>50.047</td><td>22.7</td>"),
            std::string::npos);
  EXPECT_NE(report.page.find("<td>8/255</td>"), std::string::npos);
  EXPECT_NE(report.page.find("<pre>rdi-evaluate models/rdi-resnet38-cifar10.onnx --data cifar10:DIR"),
            std::string::npos);
}

// Right or wrong, exit and answer stand below each picture.
TEST_F(HtmlReportTest, PicturesSayWhatHappenedToThem) {
  const Evaluation evaluation = test::multiExitSample();
  const std::string page = htmlReport(evaluation).page;
  size_t wrong = 0;
  for (const PictureSample& picture : evaluation.pictures)
    for (const PictureSample::View& view : picture.views) {
      wrong += view.answer != picture.label;
      const std::string shown = text(evaluation.costs[static_cast<size_t>(view.exit)].exit, ": ",
                                     evaluation.classNames[static_cast<size_t>(view.answer)]);
      EXPECT_NE(page.find("\">" + shown), std::string::npos) << shown;
    }
  EXPECT_GT(wrong, 0U);
  EXPECT_EQ(count(page, "<div class=\"picture wrong\">"), wrong);
  EXPECT_EQ(count(page, "<div class=\"picture right\">"), 28U - wrong);
}

TEST_F(HtmlReportTest, PlotsShowTheMeasuredNumbers) {
  const std::string page = htmlReport(test::multiExitSample()).page;
  const size_t from = page.find("aria-label=\"Right under each attack, %\"");
  const std::string bars = page.substr(from, page.find("</svg>", from) - from);
  for (const char* number : {"84.8", "42.7", "26.0", "83.7", "24.0", "74.7", "union 23.7"})
    EXPECT_EQ(count(bars, text("<text>", number, "</text>")), 1U) << number;
  const size_t curves = page.find("aria-label=\"How early images leave\"");
  for (const char* name : {"clean, efficacy 0.363", "slowdown hinge, efficacy 0.137"})
    EXPECT_NE(page.find(name, curves), std::string::npos) << name;
}

TEST_F(HtmlReportTest, ASingleExitModelHasNoPlotsOfExits) {
  const std::string page = htmlReport(test::singleExitSample()).page;
  expectCompletePage(page);
  EXPECT_EQ(count(page, "<svg "), 1U);
  EXPECT_EQ(headline(page, "Right whatever is tried (union)"), "23.6 %");
  EXPECT_EQ(headline(page, "Computation saved, clean"), "");
  for (const char* part :
       {"exit1", "Where images leave", "slowdown", "who knows the exit rule", "Exit by exit"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
}

TEST_F(HtmlReportTest, ABaselineStandsBesideInThePlotOfCost) {
  ReportOptions options;
  options.baseline = test::singleExitSample();
  for (const Evaluation& evaluation : {test::multiExitSample(), test::singleExitSample()}) {
    const std::string page = htmlReport(evaluation, options).page;
    for (const char* label : {"baseline, clean", "baseline, union"})
      EXPECT_EQ(count(page, text("<text>", label, "</text>")), 1U) << label;
  }
  options.baseline->data = "cifar100";
  try {
    htmlReport(test::multiExitSample(), options);
    ADD_FAILURE() << "other data were taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("found data cifar100, expected cifar10"), std::string::npos)
        << error.what();
  }
}

TEST_F(HtmlReportTest, CleanImagesAloneMakeAReport) {
  Evaluation evaluation = test::multiExitSample();
  evaluation.rows.resize(1);
  evaluation.pictures.clear();
  const std::string page = htmlReport(evaluation).page;
  expectCompletePage(page);
  EXPECT_EQ(count(page, "<svg "), 2U);
  for (const char* part : {"union", "Settings of the attacks", "Pictures"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
}

TEST_F(HtmlReportTest, NamesAreShownAsTheyAre) {
  Evaluation evaluation = test::multiExitSample();
  evaluation.model = "a<b>&\"c\".onnx";
  evaluation.classNames[0] = "<script>alert(1)</script>";
  evaluation.costs[0].exit = "<i>exit</i>";
  evaluation.rows[1].name = "pgd <u>";
  evaluation.command = "rdi-evaluate '<s>'";
  const std::string page = htmlReport(evaluation).page;
  expectCompletePage(page);
  for (const char* tag : {"<b>&", "<i>", "<u>", "<s>"}) EXPECT_EQ(page.find(tag), std::string::npos) << tag;
}

TEST_F(HtmlReportTest, PicturesOfOtherKindsAreLeftOut) {
  Evaluation evaluation = test::multiExitSample();
  for (PictureSample& picture : evaluation.pictures) {
    picture.channels = 2;
    for (PictureSample::View& view : picture.views) view.pixels.resize(2 * 32 * 32);
  }
  const std::string page = htmlReport(evaluation).page;
  expectCompletePage(page);
  EXPECT_NE(page.find("Only grey and colour pictures are shown."), std::string::npos);
}

TEST(HtmlReportWithoutGnuplot, KeepsAllButThePlotsAndSaysWhatToInstall) {
  const test::TemporaryFolder empty;
  const PathIs path(empty.path());
  const HtmlReport report = htmlReport(test::multiExitSample());
  EXPECT_NE(report.missing.find("apt-get install gnuplot-nox"), std::string::npos) << report.missing;
  expectCompletePage(report.page);
  EXPECT_EQ(count(report.page, "<svg "), 0U);
  EXPECT_EQ(count(report.page, "This plot is missing: "), 4U);
  EXPECT_EQ(headline(report.page, "Right whatever is tried (union)"), "23.7 %");
  EXPECT_EQ(count(report.page, "<img "), 28U);
}

}  // namespace
}  // namespace rdi::train
