// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluation_json.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/sample_evaluation.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/base64.hpp"

namespace rdi::train {
namespace {

using nlohmann::json;

std::string messageOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

void expectSame(const Evaluation& a, const Evaluation& b) {
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.command, b.command);
  EXPECT_EQ(a.data, b.data);
  EXPECT_EQ(a.set, b.set);
  EXPECT_EQ(a.classNames, b.classNames);
  EXPECT_EQ(a.imageCount, b.imageCount);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.rule.criterion, b.rule.criterion);
  EXPECT_EQ(a.rule.fusion, b.rule.fusion);
  EXPECT_EQ(a.rule.patience, b.rule.patience);
  EXPECT_EQ(a.rule.scores, b.rule.scores);
  EXPECT_EQ(a.rule.thresholds, b.rule.thresholds);
  ASSERT_EQ(a.costs.size(), b.costs.size());
  for (size_t k = 0; k < a.costs.size(); ++k) {
    EXPECT_EQ(a.costs[k].exit, b.costs[k].exit);
    EXPECT_EQ(a.costs[k].own.conv, b.costs[k].own.conv);
    EXPECT_EQ(a.costs[k].paid.linear, b.costs[k].paid.linear);
  }
  ASSERT_EQ(a.rows.size(), b.rows.size());
  for (size_t i = 0; i < a.rows.size(); ++i) {
    const EvaluationRow &x = a.rows[i], &y = b.rows[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.family, y.family);
    EXPECT_EQ(x.settings.is_null() ? json::object() : x.settings, y.settings);
    EXPECT_EQ(x.inBall, y.inBall);
    EXPECT_EQ(x.onlySurvivors, y.onlySurvivors);
    EXPECT_EQ(x.attacked, y.attacked);
    EXPECT_EQ(x.seconds, y.seconds);
    EXPECT_EQ(x.outcome.accuracy, y.outcome.accuracy);
    EXPECT_EQ(x.outcome.shares, y.outcome.shares);
    EXPECT_EQ(x.outcome.accuracyForced, y.outcome.accuracyForced);
    ASSERT_EQ(x.outcome.accuracyLeaving.size(), y.outcome.accuracyLeaving.size());
    for (size_t k = 0; k < x.outcome.accuracyLeaving.size(); ++k) {
      const double u = x.outcome.accuracyLeaving[k], v = y.outcome.accuracyLeaving[k];
      EXPECT_TRUE(u == v || (std::isnan(u) && std::isnan(v))) << u << " " << v;
    }
    EXPECT_EQ(x.outcome.right, y.outcome.right);
    EXPECT_EQ(x.outcome.taken, y.outcome.taken);
    EXPECT_EQ(x.outcome.answers, y.outcome.answers);
  }
  ASSERT_EQ(a.pictures.size(), b.pictures.size());
  for (size_t p = 0; p < a.pictures.size(); ++p) {
    const PictureSample &x = a.pictures[p], &y = b.pictures[p];
    EXPECT_EQ(x.image, y.image);
    EXPECT_EQ(x.label, y.label);
    EXPECT_EQ(x.channels, y.channels);
    EXPECT_EQ(x.height, y.height);
    EXPECT_EQ(x.width, y.width);
    ASSERT_EQ(x.views.size(), y.views.size());
    for (size_t v = 0; v < x.views.size(); ++v) {
      EXPECT_EQ(x.views[v].row, y.views[v].row);
      EXPECT_EQ(x.views[v].pixels, y.views[v].pixels);
      EXPECT_EQ(x.views[v].exit, y.views[v].exit);
      EXPECT_EQ(x.views[v].answer, y.views[v].answer);
    }
  }
}

TEST(EvaluationJson, AnEvaluationComesBackAsItWas) {
  Evaluation written = test::multiExitSample();
  written.rule.thresholds[0] = std::numeric_limits<float>::infinity();
  written.rule.thresholds[1] = -std::numeric_limits<float>::infinity();
  written.rows[1].outcome.accuracyLeaving[2] = std::numeric_limits<double>::quiet_NaN();
  written.seed = std::numeric_limits<uint64_t>::max();
  const test::TemporaryFolder folder;
  saveEvaluation(written, folder.path("e.json"));
  expectSame(written, loadEvaluation(folder.path("e.json")));
  const std::string bytes = graph::readFile(folder.path("e.json"));
  for (const char* part : {"\"inf\"", "\"-inf\"", "\"nan\""})
    EXPECT_NE(bytes.find(part), std::string::npos) << part;
  EXPECT_EQ(bytes.find("null"), std::string::npos);
  expectSame(test::singleExitSample(), fromJson(toJson(test::singleExitSample())));
}

// The sample's figures, the costs and efficacies reckoned by hand from its shares.
TEST(EvaluationJson, FiguresThatFollowAreStated) {
  const json stated = toJson(test::multiExitSample());
  const json& summary = stated.at("summary");
  EXPECT_EQ(summary.at("clean").at("accuracy"), 0.848);
  EXPECT_EQ(summary.at("paper_worst"), (json{{"row", "pgd average"}, {"accuracy", 0.427}, {"forms", 9}}));
  EXPECT_EQ(summary.at("adaptive_worst"), (json{{"row", "apgd-ce soft-routed"}, {"accuracy", 0.26}}));
  EXPECT_EQ(summary.at("union"), (json{{"accuracy", 0.237}, {"rows", 20}}));  // all 21 but wrm
  EXPECT_EQ(summary.at("slowdown").at("row"), "slowdown hinge");
  EXPECT_NEAR(summary.at("slowdown").at("paid_fraction"), 1.1012, 1e-4);
  EXPECT_NEAR(summary.at("slowdown").at("efficacy_clean"), 0.3635, 1e-4);
  EXPECT_NEAR(summary.at("slowdown").at("efficacy"), 0.1365, 1e-4);
  EXPECT_NEAR(summary.at("main_forced").at("clean"), 0.837, 1e-9);
  EXPECT_NEAR(summary.at("main_forced").at("worst"), 0.236, 1e-9);
  const json& clean = stated.at("rows").at(0);
  EXPECT_NEAR(clean.at("paid_mi"), 68.081, 1e-3);
  EXPECT_NEAR(clean.at("paper_mi"), 53.949, 1e-3);
  EXPECT_NEAR(clean.at("paid_mmac"), 71.390, 1e-3);
  EXPECT_NEAR(clean.at("paid_fraction"), 0.8572, 1e-4);
  EXPECT_NEAR(clean.at("paper_fraction"), 0.6793, 1e-4);
  EXPECT_EQ(stated.at("balls"), (json{{{"norm", "linf"}, {"epsilon", 8.0 / 255}}}));
}

TEST(EvaluationJson, ASingleExitModelHasNoFiguresOfExits) {
  const json summary = toJson(test::singleExitSample()).at("summary");
  EXPECT_FALSE(summary.contains("slowdown"));
  EXPECT_EQ(summary.at("union").at("accuracy"), 0.236);
  EXPECT_EQ(summary.at("adaptive_worst").at("row"), "apgd-ce main");
}

// An attack on survivors alone has the accuracy of all attacks so far: it is no one's worst while another was
// tried on all images.
TEST(EvaluationJson, WorstAdaptiveAttackIsOneTriedOnAllImages) {
  Evaluation evaluation = test::multiExitSample();
  for (EvaluationRow& row : evaluation.rows)
    if (row.name == "apgd-ce soft-routed") row.onlySurvivors = true;
  EXPECT_EQ(toJson(evaluation).at("summary").at("adaptive_worst").at("row"), "pgd soft-routed");
  for (EvaluationRow& row : evaluation.rows) row.onlySurvivors = row.family == Family::adaptive;
  EXPECT_EQ(toJson(evaluation).at("summary").at("adaptive_worst").at("row"), "apgd-ce soft-routed");
}

TEST(EvaluationJson, TheCompactFormHoldsNoImages) {
  const Evaluation evaluation = test::multiExitSample();
  const json compact = toCompactJson(evaluation);
  EXPECT_LT(compact.dump().size(), 16000U);
  EXPECT_EQ(compact.at("rows").size(), evaluation.rows.size());
  EXPECT_EQ(compact.at("summary"), toJson(evaluation).at("summary"));
  EXPECT_FALSE(compact.contains("pictures"));
  const std::string message = messageOf([&] {
    json whole = toJson(evaluation);
    whole["rows"][3].erase("per_image");
    fromJson(whole);
  });
  EXPECT_NE(message.find("row \"pgd single:3\": per_image is missing"), std::string::npos) << message;
}

TEST(EvaluationJson, DamagedFilesAreErrorsThatSayWhere) {
  const json good = toJson(test::multiExitSample());
  struct Case {
    const char* place;
    json value;
    const char* message;
  };
  const Case cases[] = {
      {"/format", "other", "\"format\": \"rdi-evaluation\" is missing"},
      {"/version", 2, "found version 2 of the form, expected 1"},
      {"/image_count", 0, "image_count: found 0"},
      {"/image_count", 999, "row \"clean\": per_image.right: found 1000 characters, expected 999"},
      {"/image_count", "many", "is not an evaluation as docs/evaluation.md describes it"},
      {"/exits", json::array(), "exits: expected one or more"},
      {"/exits/6/own_conv", 0, ""},  // with its linear layers it is still something
      {"/rule/thresholds/0", "nan", "NaN"},
      {"/rule/thresholds", {0.5}, "there are 1 thresholds for 7 exits"},
      {"/rule/criterion", "hope", "hope"},
      {"/rows", json::array(), "expected the clean images first"},
      {"/rows/0/family", "paper", "expected the clean images first"},
      {"/rows/2/family", "magic", "row \"pgd single:2\": family \"magic\" is not known"},
      {"/rows/2/name", "clean", "there are two rows \"clean\""},
      {"/rows/2/accuracy", 84.8, "row \"pgd single:2\": accuracy: found 84.8, expected 0 to 1"},
      {"/rows/2/accuracy", "nan", "accuracy: found nan"},
      {"/rows/2/exit_shares", {1.0}, "exit_shares: found 1 values for 7 exits"},
      {"/rows/2/accuracy_forced/3", "great", "found 'great'"},
      {"/rows/2/settings", 3, "settings: expected an object"},
      {"/rows/2/per_image/right", "0110", "found 4 characters, expected 1000"},
      {"/rows/2/per_image/right", std::string(1000, '2'), "of 0 and 1"},
      {"/rows/2/per_image/taken", "0 1 2", "per_image.taken: found 3 numbers, expected 1000"},
      {"/rows/2/per_image/taken", "0 7", "per_image.taken: found 7, expected 0 to 6"},
      {"/rows/2/per_image/answers", "0 x", "per_image.answers: found 1 numbers"},
      {"/rows/2/per_image/answers", "99999999999999999999", "per_image.answers: found 0 numbers"},
      {"/rows/2/per_image/answers", "10", "per_image.answers: found 10, expected 0 to 9"},
      {"/pictures/0/width", 0, "found a side of 0"},
      {"/pictures/0/width", 1000000, "found a side of 1000000"},
      {"/pictures/0/width", 31, "found 3072 bytes of pixels, expected 2976"},
      {"/pictures/0/views", json::array(), "has no views"},
      {"/pictures/0/views/1/exit", 7, "found exit 7 of 7 exits"},
      {"/pictures/0/views/1/pixels", "!!!!", "base64"},
  };
  for (const Case& damage : cases) {
    json damaged = good;
    damaged[json::json_pointer(damage.place)] = damage.value;
    const std::string message = messageOf([&] { fromJson(damaged); });
    if (*damage.message == 0)
      EXPECT_EQ(message, "nothing was thrown") << damage.place;
    else
      EXPECT_NE(message.find(damage.message), std::string::npos) << damage.place << ": " << message;
  }
  for (const auto& [key, value] : good.items()) {
    if (key == "summary" || key == "balls") continue;  // follow from the others
    json damaged = good;
    damaged.erase(key);
    EXPECT_NE(messageOf([&] { fromJson(damaged); }).find(key), std::string::npos) << key;
  }
}

TEST(EvaluationJson, ErrorsOfAFileBeginWithIt) {
  const test::TemporaryFolder folder;
  const std::string file = folder.path("e.json");
  const auto message = [&](const std::string& bytes) {
    test::writeFile(file, bytes);
    return messageOf([&] { loadEvaluation(file); });
  };
  EXPECT_EQ(message("{\"rows\": ["), file + ": is not JSON; give a file that rdi-evaluate --json wrote");
  EXPECT_EQ(message("[]").rfind(file + ": is not an evaluation", 0), 0U);
  // What rdi-evaluate wrote before it knew versions.
  EXPECT_NE(message(R"({"rows": [{"images": "clean"}], "image_count": 10})").find("evaluate again"),
            std::string::npos);
  EXPECT_EQ(messageOf([&] { loadEvaluation(folder.path("none.json")); }).rfind(folder.path("none.json"), 0),
            0U);
}

TEST(EvaluationJson, NamesThatAreNotUtf8AreWrittenAllTheSame) {
  Evaluation evaluation = test::singleExitSample();
  evaluation.classNames[0] = "\xff\xfe";
  const test::TemporaryFolder folder;
  saveEvaluation(evaluation, folder.path("e.json"));
  EXPECT_EQ(loadEvaluation(folder.path("e.json")).classNames.size(), 10U);
}

TEST(Base64, IsThatOfTheStandard) {
  const std::pair<const char*, const char*> known[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : known) {
    const std::string bytes = plain;
    EXPECT_EQ(toBase64({bytes.begin(), bytes.end()}), coded);
    const auto decoded = fromBase64(coded);
    EXPECT_EQ(std::string(decoded.begin(), decoded.end()), bytes);
  }
  EXPECT_EQ(toBase64({0xfb, 0xff, 0xfe}), "+//+");
  for (const char* damaged : {"Z", "Zg", "Zg=", "Z===", "Zg==Zg==", "Zg=a", "Z g=", "Zm9-"})
    EXPECT_THROW(fromBase64(damaged), Error) << damaged;
}

}  // namespace
}  // namespace rdi::train
