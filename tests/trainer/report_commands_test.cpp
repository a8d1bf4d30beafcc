// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// rdi-evaluate report and compare, as a user runs them.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/trainer/page.hpp"
#include "tests/trainer/process.hpp"
#include "tests/trainer/sample_evaluation.hpp"
#include "trainer/evaluation_json.hpp"
#include "trainer/evaluation_table.hpp"

namespace rdi::train {
namespace {

using test::Result;

class ReportCommands : public testing::Test {
protected:
  void SetUp() override {
    saveEvaluation(test::multiExitSample(), multi_);
    saveEvaluation(test::singleExitSample(), single_);
    Evaluation other = test::singleExitSample();
    other.data = "mnist";
    saveEvaluation(other, other_);
  }
  Result run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), RDI_EVALUATE);
    return test::Process(folder_, arguments).wait();
  }
  void expectRefused(const std::vector<std::string>& arguments, int exitCode, const std::string& part) {
    const Result result = run(arguments);
    EXPECT_EQ(result.exitCode, exitCode) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << part << "\n" << result.err;
    if (exitCode == 1) {
      EXPECT_EQ(test::count(result.err, "\n"), 1U) << result.err;
    }
    EXPECT_FALSE(std::filesystem::exists(page_));
  }

  test::TemporaryFolder folder_;
  std::string multi_ = folder_.path("multi.json"), single_ = folder_.path("single.json"),
              other_ = folder_.path("other.json"), page_ = folder_.path("page.html");
};

TEST_F(ReportCommands, ReportPrintsTheTableAndWritesThePage) {
  Result result = run({"report", multi_});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_EQ(result.out, toTable(test::multiExitSample()));
  result = run({"report", multi_, "-o", page_, "--baseline", single_});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  test::expectCompletePage(graph::readFile(page_));
}

TEST_F(ReportCommands, WithoutGnuplotThePageIsWrittenAndThePackageNamed) {
  const test::TemporaryFolder empty;
  const test::PathIs path(empty.path());
  const Result result = run({"report", multi_, "-o", page_});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NE(result.err.find(page_ + " has no plots: plots need gnuplot"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("apt-get install gnuplot-nox"), std::string::npos) << result.err;
  test::expectCompletePage(graph::readFile(page_));
}

TEST_F(ReportCommands, ComparePrintsALineAModelAndWritesThePage) {
  const Result result = run({"compare", multi_, single_, "-o", page_});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NE(result.out.find("\nresnet38-cifar10.onnx          1  83.60"), std::string::npos) << result.out;
  test::expectCompletePage(graph::readFile(page_));
}

TEST_F(ReportCommands, WhatIsNotComparableIsRefusedOrMarked) {
  expectRefused({"compare", multi_, other_, "-o", page_}, 1,
                "other.json: is not comparable with " + multi_ + ": found data mnist, expected cifar10");
  expectRefused({"report", multi_, "--baseline", other_, "-o", page_}, 1,
                "found data mnist, expected cifar10");
  const Result result = run({"compare", multi_, other_, "--anyway"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NE(result.out.find("! resnet38-cifar10.onnx: not comparable: found data mnist"), std::string::npos)
      << result.out;
}

TEST_F(ReportCommands, BadInputEndsWithOneLineAndWrongUsageWithTwo) {
  test::writeFile(folder_.path("broken.json"), graph::readFile(multi_).substr(0, 5000));
  expectRefused({"report", folder_.path("none.json"), "-o", page_}, 1, "none.json");
  expectRefused({"compare", multi_, folder_.path("broken.json"), "-o", page_}, 1, "broken.json: is not JSON");
  expectRefused({"report", multi_, "-o", folder_.path("no/page.html")}, 1, "no/page.html: cannot be written");
  expectRefused({"compare", multi_, single_, "-o", folder_.path()}, 1, "found a folder");
  expectRefused({"compare", multi_}, 2, "FILES");
  expectRefused({"report"}, 2, "FILE");
  expectRefused({"report", multi_, "--baseline", single_}, 2, "--output");
}

}  // namespace
}  // namespace rdi::train
