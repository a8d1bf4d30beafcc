// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// The programs themselves: exit code, what they print, which files they leave.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "converters/convert.hpp"
#include "graph/attributes.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/precision.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/converters/readers/foreign_files.hpp"
#include "tests/converters/run_program.hpp"
#include "tests/graph/foreign_models.hpp"

namespace rdi {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

/// A folder with small.onnx (fresh), calibrated.onnx (with thresholds) and early.onnx (converted).
class Programs : public testing::Test {
protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) /
              (std::string("rdi-programs-") + test->name() + std::to_string(getpid()));
    fs::create_directories(folder_);
    auto model = zoo::build("rdi-smallcnn");
    graph::saveModel(model, path("small.onnx"));
    graph::Metadata metadata;
    metadata.rule.emplace();
    metadata.rule->thresholds = {0.023f, 0.014f};
    metadata.classNames = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    metadata.results = {{"clean", {{"accuracy", 0.9941}, {"shares", {0.5, 0.3, 0.2}}}},
                        {"rows",
                         {{{"name", "clean"}, {"accuracy", 0.9941}, {"exit_shares", {0.5, 0.3, 0.2}}},
                          {{"name", "average"}, {"accuracy", 0.9}, {"exit_shares", {0.25, 0.5, 0.25}}}}}};
    metadata.recipe = {{"epochs", 10}, {"attack", {{"name", "pgd"}, {"epsilon", 0.3}}}};
    graph::writeMetadata(model, metadata);
    graph::saveModel(model, path("calibrated.onnx"));
    graph::saveModel(convert::toEarlyExit(model, "", {}), path("early.onnx"));
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  test::ProgramResult convert(const Arguments& arguments) const {
    return test::runProgram(RDI_CONVERT, arguments, folder_.string());
  }
  test::ProgramResult inspect(const Arguments& arguments) const {
    return test::runProgram(RDI_INSPECT, arguments, folder_.string());
  }
  test::ProgramResult attach(const Arguments& arguments) const {
    return test::runProgram(RDI_ATTACH, arguments, folder_.string());
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) names.insert(entry.path().string());
    return names;
  }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
  }

  /// The program ends with exit code 1, one line on stderr that holds every one of `words`, and no new file.
  void expectRefused(const char* program, const Arguments& arguments,
                     const std::vector<std::string>& words) const {
    const auto before = files();
    const auto result = test::runProgram(program, arguments, folder_.string());
    SCOPED_TRACE(testing::PrintToString(arguments) + "\n" + result.err);
    EXPECT_EQ(result.exitCode, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1);
    for (const auto& word : words) EXPECT_NE(result.err.find(word), std::string::npos) << word;
    EXPECT_EQ(files(), before);
  }

  fs::path folder_;
};

TEST_F(Programs, ConvertWritesOneFileAndOneLine) {
  auto before = files();
  const auto result = convert({"small.onnx", "-o", "out.onnx", "--thresholds", "0.5,inf", "--patience", "2"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1);
  EXPECT_EQ(result.out.rfind(
                "wrote out.onnx: early-exit, 3 exits (exit1 < 0.5, exit2 < inf, main), full pass 11.1352 "
                "MMAC, ",
                0),
            0u)
      << result.out;
  before.insert(path("out.onnx"));
  EXPECT_EQ(files(), before);
  const auto model = graph::loadModel(path("out.onnx"));
  EXPECT_TRUE(graph::isEarlyExit(model));
  EXPECT_EQ(graph::exitNames(model), (std::vector<std::string>{"scores"}));
  EXPECT_EQ(graph::readMetadata(model).rule->patience, 2);
}

TEST_F(Programs, ConvertTakesTheFilesThresholdsAndReplacesAnOlderOutput) {
  write("out.onnx", "older");
  const auto result = convert({"calibrated.onnx", "--output", "out.onnx"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NE(result.out.find("exit1 < 0.023, exit2 < 0.014, main"), std::string::npos) << result.out;
  EXPECT_EQ(graph::readFile(path("out.onnx")), graph::readFile(path("early.onnx")));
}

TEST_F(Programs, ConvertReadsAThresholdOfMinusInfinity) {
  const auto result = convert({"small.onnx", "-o", "out.onnx", "--thresholds=-inf,0.5"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NE(result.out.find("exit1 < -inf"), std::string::npos) << result.out;
}

TEST_F(Programs, ConvertWritesOneExitAlone) {
  const auto result = convert({"small.onnx", "-o", "main.onnx", "--static", "main"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  const auto model = graph::loadModel(path("main.onnx"));
  EXPECT_FALSE(graph::isEarlyExit(model));
  EXPECT_EQ(graph::exitNames(model), (std::vector<std::string>{"main"}));
}

TEST_F(Programs, ConvertWritesTheMeanOfTwoTrainings) {
  const auto result = convert({"small.onnx", "--average", "calibrated.onnx", "-o", "mean.onnx"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_EQ(result.out.rfind("wrote mean.onnx: multi-exit, 3 exits (exit1, exit2, main), ", 0), 0u)
      << result.out;
  const auto before = files();
  expectRefused(RDI_CONVERT, {"small.onnx", "--average", "early.onnx", "-o", "out.onnx"},
                {"early.onnx", "early-exit"});
  expectRefused(RDI_CONVERT, {"small.onnx", "--average", "calibrated.onnx", "-o", "calibrated.onnx"},
                {"calibrated.onnx", "input"});
  EXPECT_EQ(files(), before);
}

TEST_F(Programs, ConvertWritesNestedIf) {
  const auto result = convert({"calibrated.onnx", "-o", "if.onnx", "--if"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_EQ(result.out.rfind("wrote if.onnx: nested-if, 3 exits (exit1 < 0.023, exit2 < 0.014, main)", 0), 0u)
      << result.out;
  const auto shown = inspect({"if.onnx"});
  EXPECT_EQ(shown.exitCode, 0) << shown.err;
  EXPECT_NE(shown.out.find("nested-if network"), std::string::npos);
  expectRefused(RDI_CONVERT, {"if.onnx", "-o", "out.onnx"}, {"if.onnx", "sub-graph", "multi-exit"});
  expectRefused(RDI_CONVERT, {"small.onnx", "-o", "out.onnx", "--if"}, {"small.onnx", "no thresholds"});
}

TEST_F(Programs, ConvertWritesOnePart) {
  for (const char* from : {"small.onnx", "early.onnx"}) {
    const auto result = convert({from, "-o", "part.onnx", "--extract", "stage2"});
    EXPECT_EQ(result.exitCode, 0) << result.err;
    EXPECT_EQ(result.out.rfind(
                  "wrote part.onnx: stage2, from relu1 1x32x26x26 to relu3 1x64x10x10, 7.15162 MMAC, ", 0),
              0u)
        << result.out;
  }
  EXPECT_EQ(
      convert({"small.onnx", "-o", "part.onnx", "--extract", "exit2", "--exits", "exit2,main"}).exitCode, 0);
  expectRefused(RDI_CONVERT, {"small.onnx", "-o", "out.onnx", "--extract", "stage7"},
                {"small.onnx", "stage7", "stage1, classifier_exit1, stage2"});
  expectRefused(RDI_CONVERT, {"small.onnx", "-o", "out.onnx", "--extract", "exit1", "--exits", "exit9,main"},
                {"small.onnx", "exit9"});
}

TEST_F(Programs, ConvertWritesAFreshNetworkOfTheZoo) {
  for (const char* seed : {"1", "18446744073709551615"}) {
    const auto result = convert({"--arch", "rdi-smallcnn", "--seed", seed, "-o", "fresh.onnx"});
    EXPECT_EQ(result.exitCode, 0) << result.err;
    EXPECT_EQ(graph::readFile(path("fresh.onnx")),
              graph::serialize(zoo::build("rdi-smallcnn", std::stoull(seed))));
  }
}

TEST_F(Programs, ConvertRefusesFilesThatAreNoModels) {
  const std::string bytes = graph::readFile(path("small.onnx"));
  write("truncated.onnx", bytes.substr(0, bytes.size() / 2));
  write("empty.onnx", "");
  write("text.onnx", "this is a picture of a cat\n");
  std::string corrupted = bytes;
  for (size_t i = 40; i < 4000; ++i) corrupted[i] = static_cast<char>(corrupted[i] ^ 0x5a);
  write("corrupted.onnx", corrupted);
  fs::create_directory(folder_ / "folder.onnx");
  for (const std::string name :
       {"truncated.onnx", "empty.onnx", "text.onnx", "corrupted.onnx", "folder.onnx", "missing.onnx"}) {
    expectRefused(RDI_CONVERT, {name, "-o", "out.onnx", "--thresholds", "1,1"}, {"rdi-convert: ", name});
    expectRefused(RDI_CONVERT, {name, "-o", "out.onnx", "--static", "main"}, {"rdi-convert: ", name});
    expectRefused(RDI_INSPECT, {name}, {"rdi-inspect: ", name});
  }
}

TEST_F(Programs, ConvertWantsToKnowWhichNetworkWeightsAreFor) {
  write("weights.pt", test::torchLegacy(test::op::stateDict({}), {}));
  write("weights.safetensors",
        test::safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x"));
  write("page.html", "<!DOCTYPE html>");
  for (const char* file : {"weights.pt", "weights.safetensors"})
    expectRefused(RDI_CONVERT, {file, "-o", "out.onnx"}, {file, "--arch"});
  expectRefused(RDI_CONVERT, {"page.html", "--arch", "rdi-smallcnn", "-o", "out.onnx"},
                {"page.html: is a web page"});
  expectRefused(RDI_CONVERT, {"small.onnx", "--arch", "rdi-resnet38", "-o", "out.onnx"},
                {"small.onnx: does not fit rdi-resnet38", "missing: ", "left over: ", "conv4.weight"});
  const auto filled = convert({"small.onnx", "--arch", "rdi-smallcnn", "-o", "out.onnx"});
  EXPECT_EQ(filled.exitCode, 0) << filled.err;
  EXPECT_NE(filled.out.find("filled with the weights of small.onnx\n"), std::string::npos) << filled.out;
  EXPECT_EQ(graph::readFile(path("out.onnx")), graph::readFile(path("small.onnx")));
}

TEST_F(Programs, ConvertRefusesExitsAndThresholdsThatDoNotFit) {
  struct Case {
    Arguments options;
    std::vector<std::string> words;
  };
  const std::vector<Case> cases = {
      {{"--exits", "exit1,exit7,main", "--thresholds", "1,1"}, {"small.onnx", "exit7", "exit1, exit2, main"}},
      {{"--exits", "exit1,exit1,main", "--thresholds", "1,1"}, {"small.onnx", "exit1", "twice"}},
      {{"--exits", "exit1,,main", "--thresholds", "1,1"}, {"--exits", "entry 2 is empty"}},
      {{"--exits", "", "--thresholds", "1,1"}, {"--exits", "empty"}},
      {{"--exits", "exit1,exit2,main,extra", "--thresholds", "1,1,1"}, {"small.onnx", "extra"}},
      {{"--thresholds", "1"}, {"small.onnx", "1 thresholds", "3 exits", "expected 2"}},
      {{"--thresholds", "1,1,1"}, {"small.onnx", "3 thresholds", "3 exits", "expected 2"}},
      {{"--thresholds", "nan,1"}, {"--thresholds", "'nan'", "expected a number"}},
      {{"--thresholds", "0.5,low"}, {"--thresholds", "'low'", "expected a number"}},
      {{"--thresholds", ""}, {"--thresholds", "empty"}},
      {{}, {"small.onnx", "no thresholds", "rdi-evaluate calibrate", "--thresholds"}},
      {{"--static", "exit9"}, {"small.onnx", "exit9", "exit1, exit2, main"}},
  };
  for (const auto& refused : cases) {
    Arguments arguments = {"small.onnx", "-o", "out.onnx"};
    arguments.insert(arguments.end(), refused.options.begin(), refused.options.end());
    expectRefused(RDI_CONVERT, arguments, refused.words);
  }
  expectRefused(RDI_CONVERT, {"calibrated.onnx", "-o", "out.onnx", "--criterion", "margin"},
                {"calibrated.onnx", "entropy", "margin", "--thresholds"});
  expectRefused(RDI_CONVERT, {"early.onnx", "-o", "out.onnx"}, {"early.onnx", "early-exit", "multi-exit"});
  expectRefused(RDI_CONVERT, {"early.onnx", "-o", "out.onnx", "--static", "main"},
                {"early.onnx", "early-exit"});
  expectRefused(RDI_CONVERT, {"--arch", "rdi-vgg", "-o", "out.onnx"}, {"rdi-vgg", "rdi-resnet38"});
}

TEST_F(Programs, ConvertRefusesPlacesItCannotWriteTo) {
  const std::string input = graph::readFile(path("calibrated.onnx"));
  fs::create_symlink("calibrated.onnx", folder_ / "link.onnx");
  fs::create_directory(folder_ / "folder");
  expectRefused(RDI_CONVERT, {"calibrated.onnx", "-o", "calibrated.onnx"}, {"calibrated.onnx", "input"});
  expectRefused(RDI_CONVERT, {"calibrated.onnx", "-o", "./link.onnx"}, {"link.onnx", "input"});
  expectRefused(RDI_CONVERT, {"calibrated.onnx", "-o", "nowhere/out.onnx"},
                {"nowhere/out.onnx", "No such file"});
  expectRefused(RDI_CONVERT, {"calibrated.onnx", "-o", "folder"}, {"folder"});
  expectRefused(RDI_CONVERT, {"calibrated.onnx", "-o", "/sys/rdi-out.onnx"}, {"/sys/rdi-out.onnx"});
  expectRefused(RDI_CONVERT, {"--arch", "rdi-smallcnn", "-o", "nowhere/out.onnx"}, {"nowhere/out.onnx"});
  EXPECT_EQ(graph::readFile(path("calibrated.onnx")), input);
}

TEST_F(Programs, WrongUsageEndsWithExitCodeTwo) {
  const std::vector<Arguments> wrong = {
      {},
      {"small.onnx"},
      {"-o", "out.onnx"},
      {"small.onnx", "-o", "out.onnx", "--unknown"},
      {"small.onnx", "more.onnx", "-o", "out.onnx"},
      {"small.onnx", "-o", "out.onnx", "--criterion", "hope"},
      {"small.onnx", "-o", "out.onnx", "--fusion", "product"},
      {"small.onnx", "-o", "out.onnx", "--engine", "cuda"},
      {"small.onnx", "-o", "out.onnx", "--patience", "0"},
      {"small.onnx", "-o", "out.onnx", "--patience", "two"},
      {"small.onnx", "-o", "out.onnx", "--seed", "3"},
      {"small.onnx", "-o", "out.onnx", "--arch", "rdi-smallcnn", "--seed", "3"},
      {"small.onnx", "-o", "out.onnx", "--arch", "rdi-smallcnn", "--criterion", "margin"},
      {"-o", "out.onnx", "--arch", "rdi-smallcnn", "--thresholds", "1,1"},
      {"-o", "out.onnx", "--arch", "rdi-smallcnn", "--map", "a=b"},
      {"small.onnx", "-o", "out.onnx", "--key", "model"},
      {"small.onnx", "-o", "out.onnx", "--static", "main", "--thresholds", "1,1"},
      {"small.onnx", "-o", "out.onnx", "--operating-point", "fast", "--thresholds", "1,1"},
      {"small.onnx", "-o", "out.onnx", "--operating-point", "fast", "--patience", "2"},
      {"small.onnx", "-o", "out.onnx", "--operating-point", "fast", "--static", "main"},
      {"small.onnx", "-o", "out.onnx", "--static", "main", "--if"},
      {"small.onnx", "-o", "out.onnx", "--extract", "stage1", "--if"},
      {"small.onnx", "-o", "out.onnx", "--extract", "stage1", "--static", "main"},
      {"small.onnx", "-o", "out.onnx", "--extract", "stage1", "--thresholds", "1,1"},
      {"small.onnx", "-o", "out.onnx", "--if", "--engine", "opencv"},
      {"small.onnx", "-o", "out.onnx", "--average"},
      {"-o", "out.onnx", "--average", "small.onnx"},
      {"small.onnx", "-o", "out.onnx", "--average", "calibrated.onnx", "--thresholds", "1,1"},
      {"small.onnx", "-o", "out.onnx", "--average", "calibrated.onnx", "--static", "main"},
      {"-o", "out.onnx", "--arch", "rdi-smallcnn", "--if"},
      {"-o", "out.onnx", "--arch", "rdi-smallcnn", "--extract", "stage1"},
      {"-o", "out.onnx", "--arch", "rdi-smallcnn", "--static", "main"},
      {"-o", "out.onnx", "--arch", "rdi-smallcnn", "--seed", "-1"},
  };
  const auto before = files();
  for (const auto& arguments : wrong) {
    const auto result = convert(arguments);
    EXPECT_EQ(result.exitCode, 2) << testing::PrintToString(arguments) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err, "");
  }
  EXPECT_EQ(files(), before);
  EXPECT_EQ(inspect({}).exitCode, 2);
  EXPECT_EQ(inspect({"small.onnx", "--xml"}).exitCode, 2);
  EXPECT_EQ(convert({"--help"}).exitCode, 0);
  EXPECT_EQ(inspect({"--help"}).exitCode, 0);
}

TEST_F(Programs, AttachWritesAMultiExitFileAndSaysWhatItCosts) {
  ASSERT_EQ(convert({"small.onnx", "-o", "single.onnx", "--static", "main"}).exitCode, 0);
  auto before = files();
  const auto result = attach({"single.onnx", "--exits", "2", "-o", "attached.onnx"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_EQ(result.err, "");
  for (const char* words : {"wrote attached.onnx: multi-exit, ", "exit1: reads ", "exit2: reads ",
                            "of the network's cost; its branch adds ", "all branches together cost "})
    EXPECT_NE(result.out.find(words), std::string::npos) << words << "\n" << result.out;
  before.insert(path("attached.onnx"));
  EXPECT_EQ(files(), before);
  EXPECT_EQ(graph::exitNames(graph::loadModel(path("attached.onnx"))),
            (std::vector<std::string>{"exit1", "exit2", "main"}));
  EXPECT_EQ(convert({"attached.onnx", "-o", "out.onnx", "--thresholds", "0.5,0.5"}).exitCode, 0);
}

TEST_F(Programs, AttachRefusesInOneLineAndLeavesNothing) {
  ASSERT_EQ(convert({"small.onnx", "-o", "single.onnx", "--static", "main"}).exitCode, 0);
  const std::string bytes = graph::readFile(path("single.onnx"));
  write("truncated.onnx", bytes.substr(0, bytes.size() / 2));
  struct Case {
    Arguments arguments;
    std::vector<std::string> words;
  };
  const std::vector<Case> cases = {
      {{"small.onnx", "--exits", "1", "-o", "out.onnx"}, {"small.onnx: has 3 outputs already"}},
      {{"early.onnx", "--exits", "1", "-o", "out.onnx"}, {"early.onnx: is an early-exit file"}},
      {{"missing.onnx", "--exits", "1", "-o", "out.onnx"}, {"missing.onnx: cannot be opened"}},
      {{"truncated.onnx", "--exits", "1", "-o", "out.onnx"}, {"truncated.onnx: "}},
      {{"single.onnx", "--at", "rellu1", "-o", "out.onnx"},
       {"single.onnx: ", "'rellu1'", "did you mean relu1?"}},
      {{"single.onnx", "--at", "relu1,,relu2", "-o", "out.onnx"}, {"--at is ", "entry 2 is empty"}},
      {{"single.onnx", "--exits", "60", "-o", "out.onnx"}, {"single.onnx: has ", "at least 60"}},
      {{"single.onnx", "--exits", "1", "--budget", "0.0001", "-o", "out.onnx"},
       {"single.onnx: ", "--budget"}},
      {{"single.onnx", "--exits", "1", "--mean", "1,2", "-o", "out.onnx"},
       {"--mean has 2 values for 1 channels"}},
      {{"single.onnx", "--exits", "1", "--std", "soft", "-o", "out.onnx"}, {"--std", "'soft'"}},
      {{"single.onnx", "--exits", "1", "-o", "single.onnx"}, {"single.onnx", "input"}},
      {{"single.onnx", "--exits", "1", "-o", "nowhere/out.onnx"}, {"nowhere/out.onnx: cannot be created"}},
  };
  for (const auto& refused : cases) expectRefused(RDI_ATTACH, refused.arguments, refused.words);
  EXPECT_EQ(graph::readFile(path("single.onnx")), bytes);
  for (const Arguments& wrong :
       std::vector<Arguments>{{},
                              {"single.onnx", "-o", "out.onnx"},
                              {"single.onnx", "--exits", "1"},
                              {"single.onnx", "--exits", "0", "-o", "out.onnx"},
                              {"single.onnx", "--exits", "1", "--at", "relu1", "-o", "out.onnx"},
                              {"single.onnx", "--exits", "1", "--budget", "-3", "-o", "out.onnx"}})
    EXPECT_EQ(attach(wrong).exitCode, 2) << testing::PrintToString(wrong);
  EXPECT_EQ(attach({"--help"}).exitCode, 0);
}

TEST_F(Programs, InspectDrawsOneFile) {
  auto before = files();
  const auto result = inspect({"early.onnx", "--svg", "picture.svg"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  before.insert(path("picture.svg"));
  EXPECT_EQ(files(), before);
  const std::string picture = graph::readFile(path("picture.svg"));
  EXPECT_EQ(picture.rfind("<svg", 0), 0u) << picture.substr(0, 80);
  for (const char* words : {"stage1", "exit1", "entropy &lt; 0.0230", "50.0 % of clean inputs", "</svg>"})
    EXPECT_NE(picture.find(words), std::string::npos) << words;
  expectRefused(RDI_INSPECT, {"early.onnx", "--svg", "early.onnx"}, {"early.onnx", "input"});
  expectRefused(RDI_INSPECT, {"early.onnx", "--svg", "nowhere/picture.svg"}, {"nowhere/picture.svg"});
  EXPECT_EQ(inspect({"early.onnx", "small.onnx", "--svg", "picture.svg"}).exitCode, 2);
}

TEST_F(Programs, InspectReadsModelsOfEveryExporterAsConvertDoes) {
  for (const auto& foreign : test::foreignModels()) {
    const auto model = foreign.make(9);
    write("foreign.onnx", graph::serialize(model));
    std::string thresholds;
    for (int i = 1; i < model.graph().output_size(); ++i) thresholds += i == 1 ? "0.5" : ",0.5";
    const auto shown = inspect({"foreign.onnx"});
    EXPECT_EQ(shown.exitCode, 0) << foreign.name << ": " << shown.err;
    if (foreign.channelsLast) EXPECT_EQ(shown.out.find("x 12 x 3\n"), std::string::npos) << shown.out;
    const auto converted = convert({"foreign.onnx", "-o", "out.onnx", "--thresholds", thresholds});
    EXPECT_EQ(converted.exitCode, 0) << foreign.name << ": " << converted.err;
    EXPECT_EQ(inspect({"out.onnx"}).exitCode, 0) << foreign.name;
  }
}

TEST_F(Programs, InspectComparesTwoFiles) {
  const auto result = inspect({"small.onnx", "calibrated.onnx"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  for (const char* words : {"a: small.onnx\nb: calibrated.onnx\n", "weights equal to the bit"})
    EXPECT_NE(result.out.find(words), std::string::npos) << words << "\n" << result.out;
  const auto json = inspect({"small.onnx", "calibrated.onnx", "--json"});
  EXPECT_TRUE(nlohmann::json::parse(json.out).at("weights").at("changed").empty());
  expectRefused(RDI_INSPECT, {"small.onnx", "missing.onnx"}, {"missing.onnx"});
}

TEST_F(Programs, InspectDescribesEveryKindOfFileInText) {
  const auto multi = inspect({"calibrated.onnx"});
  EXPECT_EQ(multi.exitCode, 0) << multi.err;
  EXPECT_EQ(multi.err, "");
  for (const char* words :
       {"calibrated.onnx: multi-exit network, 3,35", "architecture   rdi-smallcnn", "image, 1 x 28 x 28",
        "10 (0, 1, 2", "pixel * 0.00392157, grey, 28 x 28", "836,846", "Conv 5",
        "leaves when entropy < threshold", "exit1      0.023    0.8185     1.015      1.015     10.2 %",
        "main           -    9.2560     9.952     11.135", "clean.accuracy  0.9941",
        "clean.shares    0.5, 0.3, 0.2", "attack.epsilon  0.3"})
    EXPECT_NE(multi.out.find(words), std::string::npos) << words << "\n" << multi.out;

  const auto early = inspect({"early.onnx"});
  EXPECT_EQ(early.exitCode, 0) << early.err;
  for (const char* words : {"early-exit network", "RdiStage 2", "stage1            onednn  1x1x28x28",
                            "classifier_main", "exit2      0.014    7.0060     7.708      8.529     85.7 %"})
    EXPECT_NE(early.out.find(words), std::string::npos) << words << "\n" << early.out;

  ASSERT_EQ(convert({"small.onnx", "-o", "main.onnx", "--static", "main"}).exitCode, 0);
  const auto single = inspect({"main.onnx"});
  EXPECT_EQ(single.exitCode, 0) << single.err;
  EXPECT_NE(single.out.find("single-exit network"), std::string::npos) << single.out;
}

TEST_F(Programs, InspectPrintsJson) {
  for (const char* file : {"small.onnx", "calibrated.onnx", "early.onnx"}) {
    const auto result = inspect({file, "--json"});
    ASSERT_EQ(result.exitCode, 0) << result.err;
    const auto found = nlohmann::json::parse(result.out);
    EXPECT_EQ(found.at("file"), file);
    EXPECT_EQ(found.at("bytes"), fs::file_size(folder_ / file));
    EXPECT_EQ(found.at("exits").size(), 3u);
    EXPECT_EQ(found.at("input").at("height"), 28);
    EXPECT_EQ(found.contains("stages"), std::string(file) == "early.onnx");
  }
}

TEST_F(Programs, InspectShowsRowsOfResultsAsATable) {
  const auto result = inspect({"early.onnx"});
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_NE(
      result.out.find("results, rows\n  name     accuracy  exit_shares\n  clean    0.9941    0.5, 0.3, 0.2\n"
                      "  average  0.9       0.25, 0.5, 0.25\n"),
      std::string::npos)
      << result.out;
}

TEST_F(Programs, ConvertMeasuresRangesForInt8) {
  std::string idx("\0\0\x08\x03\0\0\0\x03\0\0\0\x1c\0\0\0\x1c", 16);
  for (int i = 0; i < 3 * 28 * 28; ++i) idx += static_cast<char>(i * 7);
  write("pictures", idx);
  const auto result = convert({path("calibrated.onnx"), "-o", path("int8.onnx"), "--precision", "int8",
                               "--calibrate", path("pictures"), "--calibration-images", "2"});
  EXPECT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NE(result.err.find("2 of 2 pictures"), std::string::npos) << result.err;
  const auto model = graph::loadModel(path("int8.onnx"));
  int stages = 0;
  for (const auto& node : model.graph().node()) {
    if (node.op_type() != "RdiStage" && node.op_type() != "RdiBranchClassifier") continue;
    ++stages;
    EXPECT_EQ(graph::stringAttribute(node, "precision", ""), "int8");
    const std::string bytes = graph::stringAttribute(node, "graph", "");
    EXPECT_FALSE(graph::readRanges(graph::parseStage(bytes.data(), bytes.size(), node.name())).empty());
  }
  EXPECT_EQ(stages, 5);
}

TEST_F(Programs, ConvertSaysWhatInt8Needs) {
  const std::string in = path("calibrated.onnx"), out = path("out.onnx");
  EXPECT_EQ(convert({in, "-o", out, "--precision", "int8"}).exitCode, 2);
  EXPECT_EQ(convert({in, "-o", out, "--calibrate", "x"}).exitCode, 2);
  EXPECT_EQ(convert({in, "-o", out, "--precision", "fp4"}).exitCode, 2);
  EXPECT_EQ(convert({in, "-o", out, "--if", "--precision", "bf16"}).exitCode, 2);
  expectRefused(RDI_CONVERT, {in, "-o", out, "--precision", "int8", "--calibrate", path("none")},
                {"none", "opened"});
}

}  // namespace
}  // namespace rdi
