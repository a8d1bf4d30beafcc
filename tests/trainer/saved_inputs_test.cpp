// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/saved_inputs.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "graph/error.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

namespace fs = std::filesystem;
using test::messageOf;

TEST(SavedInputs, NamesAreFitForFiles) {
  EXPECT_EQ(savedName("pgd single:1"), "pgd_single-1");
  const SavedInputs saved = savedInputs("out", "apgd-ce soft-routed");
  EXPECT_EQ(saved.name, "apgd-ce_soft-routed");
  EXPECT_EQ(saved.images, "out/inputs/apgd-ce_soft-routed.npy");
  EXPECT_EQ(saved.scores, "out/inputs/apgd-ce_soft-routed.scores.npy");
  EXPECT_EQ(savedLabels("out"), "out/inputs/labels.npy");
}

TEST(SavedInputs, AFolderIsListedWithCleanFirst) {
  test::TemporaryFolder folder;
  const auto list = [&] { return listSavedInputs(folder.path()); };
  EXPECT_NE(messageOf(list).find("holds no folder \"inputs\""), std::string::npos);
  fs::create_directories(folder.path("inputs"));
  EXPECT_NE(messageOf(list).find("--save-inputs"), std::string::npos);
  for (const char* row : {"apgd", "pgd main", "clean"}) {
    const SavedInputs saved = savedInputs(folder.path(), row);
    test::writeFile(saved.images, "");
    if (std::string(row) != "clean") test::writeFile(saved.scores, "");
  }
  EXPECT_NE(messageOf(list).find("clean.scores.npy is not beside it"), std::string::npos) << messageOf(list);
  test::writeFile(savedInputs(folder.path(), "clean").scores, "");
  EXPECT_NE(messageOf(list).find("labels.npy"), std::string::npos);
  test::writeFile(savedLabels(folder.path()), "");
  test::writeFile(folder.path("inputs/notes.txt"), "");
  const std::vector<SavedInputs> all = list();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].name, "clean");
  EXPECT_EQ(all[1].name, "apgd");
  EXPECT_EQ(all[2].images, savedInputs(folder.path(), "pgd main").images);
}

}  // namespace
}  // namespace rdi::train
