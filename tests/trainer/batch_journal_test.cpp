// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/batch_journal.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "tests/trainer/tiny.hpp"

namespace rdi::train {
namespace {

class Journal : public testing::Test {
protected:
  void SetUp() override { path_ = folder_.path("x.scores"); }

  static BatchJournal::Record record(float value) { return {{value, value + 1}, {1, 0, 1}, 0.5}; }

  void expectRefused(const nlohmann::json& identity, const std::string& part) {
    try {
      BatchJournal journal(path_, identity);
      FAIL() << part;
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.rfind(path_, 0), 0U) << message;
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }

  test::TemporaryFolder folder_;
  std::string path_;
  nlohmann::json identity_ = {{"model", "a"}, {"steps", 3}};
};

TEST_F(Journal, RemembersWhatWasAppended) {
  {
    BatchJournal journal(path_, identity_);
    EXPECT_FALSE(journal.has(0));
    journal.append(0, record(1));
    journal.append(250, record(2));
    ASSERT_TRUE(journal.has(250));
  }
  BatchJournal journal(path_, identity_);
  for (const auto& [first, value] : {std::pair<int64_t, float>{0, 1.F}, {250, 2.F}}) {
    ASSERT_TRUE(journal.has(first));
    EXPECT_EQ(journal.read(first).values, record(value).values);
    EXPECT_EQ(journal.read(first).flags, record(value).flags);
    EXPECT_EQ(journal.read(first).seconds, 0.5);
  }
}

TEST_F(Journal, DropsARecordThatWasCutOffAndGoesOn) {
  BatchJournal(path_, identity_).append(0, record(1));
  const std::string whole = graph::readFile(path_);
  {
    BatchJournal journal(path_, identity_);
    journal.append(250, record(2));
  }
  const std::string both = graph::readFile(path_);
  for (size_t size = whole.size(); size < both.size(); ++size) {
    test::writeFile(path_, both.substr(0, size));
    BatchJournal journal(path_, identity_);
    EXPECT_TRUE(journal.has(0));
    EXPECT_FALSE(journal.has(250)) << size;
    journal.append(250, record(3));
    EXPECT_EQ(graph::readFile(path_).size(), both.size());
  }
  // A bit that turned in the second record.
  std::string spoilt = both;
  spoilt[whole.size() + 40] ^= 4;
  test::writeFile(path_, spoilt);
  BatchJournal journal(path_, identity_);
  EXPECT_TRUE(journal.has(0));
  EXPECT_FALSE(journal.has(250));
}

TEST_F(Journal, ARecordThatClaimsMoreThanTheFileHoldsAsksForNoMemory) {
  BatchJournal(path_, identity_).append(0, record(1));
  std::string bytes = graph::readFile(path_);
  const size_t start = bytes.find('\n') + 1;
  for (size_t i = 0; i < 6; ++i) bytes[start + 8 + i] = '\xff';  // number of values
  test::writeFile(path_, bytes);
  EXPECT_FALSE(BatchJournal(path_, identity_).has(0));
}

TEST_F(Journal, OfAnotherEvaluationIsRefusedWithWhatDiffers) {
  BatchJournal(path_, identity_).append(0, record(1));
  expectRefused({{"model", "a"}, {"steps", 4}}, "steps: found 3, expected 4");
  test::writeFile(path_, "not a journal");
  expectRefused(identity_, "damaged");
  path_ = folder_.path("no/such/folder");
  expectRefused(identity_, "cannot be written");
}

TEST_F(Journal, AFullDiskKeepsWhatIsThere) {
  BatchJournal journal(path_, identity_);
  journal.append(0, record(1));
  const std::string before = graph::readFile(path_);
  // No file may grow beyond this: the second record fits in part.
  struct rlimit old {};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = old;
  small.rlim_cur = before.size() + 10;
  setrlimit(RLIMIT_FSIZE, &small);
  std::string message;
  try {
    journal.append(250, record(2));
  } catch (const Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, handler);
  EXPECT_NE(message.find("results so far are kept"), std::string::npos) << message;
  EXPECT_EQ(graph::readFile(path_), before);
  EXPECT_FALSE(BatchJournal(path_, identity_).has(250));
  journal.append(250, record(2));
  EXPECT_TRUE(BatchJournal(path_, identity_).has(250));
}

}  // namespace
}  // namespace rdi::train
