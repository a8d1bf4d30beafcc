// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/thread_choice.hpp"

#include <gtest/gtest.h>

namespace rdi {
namespace {

using engine::ThreadChoice;

/// Runs rows that take these times; returns how many of them were tried on several threads.
int run(ThreadChoice& choice, int rows, double single, double several) {
  int tried = 0;
  for (int i = 0; i < rows; ++i) {
    const bool tries = choice.several();
    tried += tries;
    choice.record(tries, tries ? several : single);
  }
  return tried;
}

TEST(ThreadChoice, StartsOnOneThreadAndTriesSeveral) {
  ThreadChoice choice;
  EXPECT_FALSE(choice.several());
  EXPECT_EQ(run(choice, 2, 1.0, 0.6), 0);
  EXPECT_TRUE(choice.several());
}

TEST(ThreadChoice, StaysWithWhatIsFaster) {
  ThreadChoice faster, slower;
  EXPECT_GT(run(faster, 1000, 1.0, 0.6), 970);
  EXPECT_LT(run(slower, 1000, 1.0, 1.4), 12);
}

TEST(ThreadChoice, TrialsOfTheSlowerWayGetRare) {
  ThreadChoice choice;
  run(choice, 20000, 1.0, 30.0);
  EXPECT_LT(run(choice, 20000, 1.0, 30.0), 8);
}

TEST(ThreadChoice, NoticesThatTheMachineGotBusyAndFreeAgain) {
  ThreadChoice choice;
  run(choice, 100, 1.0, 0.6);
  EXPECT_LT(run(choice, 100, 1.0, 30.0), 15);
  EXPECT_GT(run(choice, 1000, 1.0, 0.6), 700);
}

TEST(ThreadChoice, OneInterruptedRowDoesNotChangeTheChoice) {
  ThreadChoice choice;
  run(choice, 50, 1.0, 0.5);
  choice.record(true, 100.0);
  EXPECT_TRUE(choice.several());
}

TEST(ThreadChoice, PatienceIsAMultipleOfWhatOneThreadTakes) {
  ThreadChoice choice;
  EXPECT_GT(choice.patience(), 1e9);
  run(choice, 2, 2.0, 1.0);
  EXPECT_DOUBLE_EQ(choice.patience(), 2.0 * ThreadChoice::kPatience);
}

}  // namespace
}  // namespace rdi
