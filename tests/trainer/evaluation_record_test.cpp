// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluation_record.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/page.hpp"
#include "tests/trainer/sample_evaluation.hpp"
#include "tests/trainer/tiny.hpp"
#include "trainer/evaluation_json.hpp"

namespace rdi::train {
namespace {

using test::count;

const std::string kBegin = "<!-- rdi-evaluate begin -->", kEnd = "<!-- rdi-evaluate end -->";

class Card : public testing::Test {
protected:
  std::string after(const std::string& card) {
    test::writeFile(path_, card);
    updateCard(path_, test::multiExitSample());
    return graph::readFile(path_);
  }
  std::string refusal(const std::string& card) {
    test::writeFile(path_, card);
    try {
      updateCard(path_, test::multiExitSample());
    } catch (const Error& error) {
      EXPECT_EQ(graph::readFile(path_), card);
      return error.what();
    }
    return "";
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.path("model.md");
  std::string section_ = cardSection(test::multiExitSample());
};

TEST_F(Card, SectionHoldsTheFiguresAndEveryRow) {
  EXPECT_EQ(section_.rfind(kBegin + "\n", 0), 0U);
  EXPECT_EQ(section_.substr(section_.size() - kEnd.size() - 1), kEnd + "\n");
  for (const char* line : {
           "\n## Results on 1000 test images of cifar10\n",
           "\n| right, clean | **84.80** ± 1.14 |\n",
           "\n| union: right in all of 20 rows within linf 8/255 | **23.70** ± 1.34 |\n",
           "\n| worst adaptive attack: apgd-ce soft-routed | **26.00** ± 1.39 |\n",
           "\n| paper worst case, of 9 forms: pgd average | **42.70** ± 1.56 |\n",
           "\n| computation saved, clean, every head paid | **14.3** |\n",
           "\n| computation saved, clean, as the publication counts | 32.1 |\n",
           "\n| computation saved under slowdown hinge | **-10.1** (efficacy 0.137, clean 0.363) |\n",
           "\n| images | right | leaving at exit1 / exit2 / exit3 / exit4 / exit5 / exit6 / main | right if "
           "forced: exit1 ",
           "\n| clean | 84.80 | 6.80 / 12.40 / 11.70 / 22.70 / 15.00 / 16.40 / 15.00 | 71.10 / ",
           "\n| wrm average \\* | 83.70 |",
           "\n| square average + | 24.00 |",
           "\n\\* may change an image more than the others: not in the union.\n",
       })
    EXPECT_NE(section_.find(line), std::string::npos) << line << section_;
}

TEST_F(Card, SectionOfASingleExitModelHasNoExits) {
  const std::string section = cardSection(test::singleExitSample());
  EXPECT_NE(section.find("\n| images | right | paid cost | paper cost |\n|---|---|---|---|\n"),
            std::string::npos);
  EXPECT_NE(section.find("\n| pgd main | 42.30 | 100.00 | 100.00 |\n"), std::string::npos) << section;
  EXPECT_EQ(section.find("saved"), std::string::npos);
}

TEST_F(Card, IsMadeWhereThereIsNone) {
  updateCard(path_, test::multiExitSample());
  EXPECT_EQ(graph::readFile(path_), "# model\n\n" + section_);
}

TEST_F(Card, GetsTheSectionAppended) {
  EXPECT_EQ(after("# Mine\n\nText.\n"), "# Mine\n\nText.\n\n" + section_);
  EXPECT_EQ(after("No line end"), "No line end\n\n" + section_);
  EXPECT_EQ(after(""), section_);
}

TEST_F(Card, OnlyTheSectionIsReplaced) {
  const std::string before = "# Mine\r\n\nText.\n\n", behind = "\n## Limits\n\nNone.";
  EXPECT_EQ(after(before + kBegin + "\nold\n" + kEnd + "\n" + behind), before + section_ + behind);
  EXPECT_EQ(after(before + section_ + behind), before + section_ + behind);
  EXPECT_EQ(after(kBegin + kEnd), section_);
}

TEST_F(Card, BrokenMarkersAreRefusedAndTheCardStays) {
  EXPECT_EQ(refusal("a\n" + kBegin + "\nb\n"),
            path_ + ": holds " + kBegin + " without " + kEnd + " after it; add it, or remove both");
  EXPECT_EQ(refusal("a\n" + kEnd + "\nb\n"),
            path_ + ": holds " + kEnd + " without " + kBegin + " before it; add it, or remove both");
  EXPECT_NE(refusal(kEnd + kBegin).find("without"), std::string::npos);
  EXPECT_NE(refusal(section_ + section_).find("twice"), std::string::npos);
}

TEST_F(Card, WhatCannotBeWrittenIsNamed) {
  const std::string path = folder_.path("no/such.md");
  try {
    updateCard(path, test::multiExitSample());
    ADD_FAILURE() << "was written";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).rfind(path, 0), 0U) << error.what();
  }
}

TEST(Record, CardsStandBesideTheirModels) {
  EXPECT_EQ(cardOf("models/x.onnx"), "models/x.md");
  EXPECT_EQ(cardOf("y.z.onnx"), "y.z.md");
}

TEST(Record, ResultsGoIntoTheMetadataWithoutSingleImages) {
  onnx::ModelProto model = test::tinyNet(false);
  const Evaluation evaluation = test::multiExitSample();
  writeResults(model, evaluation);
  const nlohmann::json results = graph::readMetadata(model).results;
  EXPECT_EQ(results, toCompactJson(evaluation));
  EXPECT_EQ(results.at("version"), kEvaluationVersion);
  writeResults(model, test::singleExitSample());
  EXPECT_EQ(graph::readMetadata(model).results.at("rows").size(), 5U);
}

}  // namespace
}  // namespace rdi::train
