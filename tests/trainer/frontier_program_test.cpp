// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// rdi-evaluate frontier and rdi-evaluate surface as a user runs them.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "graph/metadata.hpp"
#include "tests/trainer/tiny_programs.hpp"

namespace rdi::test {
namespace {

using nlohmann::json;
using Arguments = std::vector<std::string>;

constexpr char kEpsilon[] = "0.01";

class FrontierPrograms : public TinyPrograms {
protected:
  void SetUp() override {
    if (!test::hasGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
    TinyPrograms::SetUp();
    const Result trained = run(training(folder_.path("run"), 40));
    ASSERT_EQ(trained.exitCode, 0) << trained.err;
    onnx::ModelProto model = graph::loadModel(folder_.path("run/model.onnx"));
    graph::Metadata metadata;
    metadata.rule.emplace();
    metadata.rule->thresholds = {2};
    graph::ExitRule fast;
    fast.thresholds = {INFINITY};
    metadata.operatingPoints = {{"balanced", *metadata.rule, nullptr}, {"fast", fast, nullptr}};
    graph::writeMetadata(model, metadata);
    graph::saveModel(model, model_);
    model.mutable_graph()->mutable_output()->DeleteSubrange(0, 1);
    model.clear_metadata_props();
    graph::saveModel(model, single_);
  }

  // With what is usual here for all that `more` does not say.
  Result evaluate(Arguments arguments, const Arguments& more, const std::vector<Arguments>& usual) {
    for (const Arguments& option : usual)
      if (std::find(more.begin(), more.end(), option[0]) == more.end())
        arguments.insert(arguments.end(), option.begin(), option.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }

  Result frontier(const Arguments& more) {
    return evaluate(
        {RDI_EVALUATE, "frontier", "--data", data_, "--threads", "1", "--limit", "30"}, more,
        {{"--steps", "2"}, {"--epsilon", kEpsilon}, {"--search-images", "50"}, {"--search-steps", "2"}});
  }

  Result surface(const Arguments& more) {
    return evaluate({RDI_EVALUATE, "surface", model_, "--data", data_, "--threads", "1", "--limit", "8"},
                    more, {{"--grid", "3"}, {"--epsilon", kEpsilon}});
  }

  static std::vector<std::string> namesOf(const json& points) {
    std::vector<std::string> names;
    for (const json& point : points) names.push_back(point.at("name"));
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string single_ = folder_.path("single.onnx"), out_ = folder_.path("found");
};

TEST_F(FrontierPrograms, AttacksEveryPointAnewAndGoesOnWhereItStopped) {
  const Arguments asked = {model_, single_, "--rule", "entropy,last,1", "--rule", "margin,mean,1", "--points",
                           "2",    "-o",    out_};
  const Result result = frontier(asked);
  ASSERT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NE(result.out.find("tiny's static net"), std::string::npos) << result.out;
  const std::string bytes = graph::readFile(out_ + "/frontier.json");
  const json found = json::parse(bytes);
  ASSERT_EQ(found["models"].size(), 2U);
  const auto names = namesOf(found["models"][0]["points"]);
  for (const char* name : {"fast", "shipped, balanced"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << result.out;
  EXPECT_TRUE(std::any_of(names.begin(), names.end(),
                          [](const auto& name) { return name.rfind("static net", 0) == 0; }));
  EXPECT_GE(std::count(names.begin(), names.end(), ""), 2) << result.out;
  ASSERT_EQ(found["models"][1]["points"].size(), 1U);
  EXPECT_EQ(found["models"][1]["points"][0]["paid_fraction"], 1.0);
  for (const json& point : found["models"][0]["points"]) {
    EXPECT_LE(point["union_accuracy"].get<double>(), point["accuracy"].get<double>());
    EXPECT_FALSE(point["worst_attack"].get<std::string>().empty());
  }

  // A point is what evaluating the model by it says, with the same attacks.
  const Result alone = run({RDI_EVALUATE, model_, "--data", data_, "--threads", "1", "--limit", "30",
                            "--steps", "2", "--epsilon", kEpsilon, "--suite", "fast", "--operating-point",
                            "balanced", "--json", folder_.path("alone.json")});
  ASSERT_EQ(alone.exitCode, 0) << alone.err;
  const json summary = json::parse(graph::readFile(folder_.path("alone.json")))["summary"];
  for (const json& point : found["models"][0]["points"])
    if (point["name"] == "shipped, balanced") {
      EXPECT_EQ(point["union_accuracy"], summary["union"]["accuracy"]);
      EXPECT_GT(point["union_accuracy"], 0) << "an attack that leaves something";
    }

  const auto written = [&] {
    std::vector<std::filesystem::file_time_type> times;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(out_))
      if (entry.path().extension() == ".scores") times.push_back(entry.last_write_time());
    std::sort(times.begin(), times.end());
    return times;
  };
  const auto before = written();
  EXPECT_EQ(frontier(asked).exitCode, 0);
  EXPECT_EQ(written(), before) << "nothing was left to compute";
  EXPECT_EQ(graph::readFile(out_ + "/frontier.json"), bytes);
  EXPECT_NE(graph::readFile(out_ + "/frontier.svg").find("<svg "), std::string::npos);

  // Fewer search images find other thresholds; points that are the same are still there.
  Arguments fewer = asked;
  fewer.insert(fewer.end(), {"--search-images", "20"});
  ASSERT_EQ(frontier(fewer).exitCode, 0);
  for (const json& point : json::parse(graph::readFile(out_ + "/frontier.json"))["models"][0]["points"])
    for (const json& other : found["models"][0]["points"])
      if (point["rule"] == other["rule"]) {
        EXPECT_EQ(point["union_accuracy"], other["union_accuracy"]);
      }
}

TEST_F(FrontierPrograms, WithoutPointsOnlyTheNamedRulesAreRunAndCostsReferToTheReference) {
  const Result result = frontier({single_, model_, "--points", "0", "--reference", model_, "-o", out_,
                                  "--attack", "pgd", "--attack-loss", "routed"});
  ASSERT_EQ(result.exitCode, 0) << result.err;
  const json found = json::parse(graph::readFile(out_ + "/frontier.json"));
  EXPECT_EQ(found["reference"]["model"], model_);
  EXPECT_EQ(namesOf(found["models"][1]["points"]),
            (std::vector<std::string>{"fast", "shipped, balanced", "static net"}));
  EXPECT_EQ(found["models"][1]["points"].back()["slowdown_fraction"], "nan") << "no slowdown was asked for";
}

TEST_F(FrontierPrograms, FrontierSaysWhatIsMissingBeforeItWorks) {
  const auto refuse = [&](const Arguments& more, int exitCode, const std::string& part) {
    const Result result = frontier(more);
    EXPECT_EQ(result.exitCode, exitCode) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "\nlacks: " << part;
    EXPECT_FALSE(std::filesystem::exists(out_));
  };
  refuse({"-o", out_}, 2, "MODEL is required");
  refuse({model_}, 2, "--output is required");
  refuse({model_, "-o", out_, "--rule", "entropy"}, 1,
         "--rule: found entropy, expected criterion, fusion and patience");
  refuse({model_, "-o", out_, "--rule", "entropy,last,0"}, 1, "--rule: found entropy,last,0");
  refuse({model_, "-o", out_, "--rule", "hope,last,1"}, 1, "hope");
  refuse({model_, "-o", out_, "--points", "-1"}, 1, "--points: found -1");
  refuse({model_, "-o", out_, "--search-images", "0"}, 1, "--search-images: found 0");
  refuse({model_, "-o", out_, "--search-steps", "0"}, 1, "--search-steps: found 0");
  refuse({model_, "-o", out_, "--reference", folder_.path("no.onnx")}, 1, "no.onnx");
}

TEST_F(FrontierPrograms, ASurfaceIsWrittenAsNumbersAndAsAPicture) {
  const std::string svg = folder_.path("surface.svg"), file = folder_.path("surface.json");
  const Result result = surface({"-o", svg, "--json", file, "--singles", "1", "--operating-point", "fast"});
  ASSERT_EQ(result.exitCode, 0) << result.err;
  const json found = json::parse(graph::readFile(file));
  EXPECT_EQ(found["format"], "rdi-surface");
  EXPECT_EQ(found["image_count"], 8);
  EXPECT_EQ(found["rule"]["thresholds"], json{"inf"});
  ASSERT_EQ(found["surfaces"].size(), 2U);
  EXPECT_EQ(found["surfaces"][0]["mean"].size(), 9U);
  EXPECT_EQ(found["surfaces"][0]["singles"].size(), 1U);
  const std::string picture = graph::readFile(svg);
  EXPECT_NE(picture.find("routed, mean of 8"), std::string::npos);
  EXPECT_NE(result.out.find("soft-routed"), std::string::npos) << result.out;
}

TEST_F(FrontierPrograms, SurfaceSaysWhatIsWrongBeforeItWorks) {
  const auto refuse = [&](const Arguments& more, int exitCode, const std::string& part) {
    const Result result = surface(more);
    EXPECT_EQ(result.exitCode, exitCode) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "\nlacks: " << part;
  };
  const std::string svg = folder_.path("surface.svg");
  refuse({}, 2, "give --output FILE.svg, --json FILE, or both");
  refuse({"-o", svg, "--attack", "pgd"}, 2, "--attack");
  refuse({"-o", svg, "--grid", "4"}, 1, "--grid: found 4, expected an odd number");
  refuse({"-o", svg, "--operating-point", "fats"}, 1, "no operating point 'fats'; did you mean fast?");
  refuse({"-o", folder_.path("no/surface.svg")}, 1, "no/surface.svg: cannot be written");
}

}  // namespace
}  // namespace rdi::test
