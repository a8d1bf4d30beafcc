// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/readers/pickle.hpp"

#include <gtest/gtest.h>

#include "tests/converters/messages.hpp"
#include "tests/converters/readers/foreign_files.hpp"

namespace rdi::convert::readers {
namespace {

using namespace test;
using Kind = Pickle::Kind;

/// Op-codes after the protocol and before STOP -> what they leave behind.
class Reading {
public:
  explicit Reading(const std::string& codes) : bytes_(op::pickle(codes)), pickle_(bytes_, position_) {}

  const Pickle::Value& root() const { return pickle_.root(); }
  const std::vector<Pickle::Value>& items() const { return pickle_.items(root()); }
  std::string text() const { return std::string(Pickle::text(root())); }
  const Pickle& pickle() const { return pickle_; }
  size_t position() const { return position_; }

private:
  std::string bytes_;
  size_t position_ = 0;
  Pickle pickle_;
};

std::string bytes(std::initializer_list<int> values) {
  std::string result;
  for (const int value : values) result += static_cast<char>(value);
  return result;
}

int64_t integerOf(const std::string& codes) {
  const Reading reading(codes);
  EXPECT_EQ(reading.root().kind, Kind::integer);
  return reading.root().as.integer;
}

TEST(Pickle, ReadsIntegersOfEveryWidth) {
  EXPECT_EQ(integerOf(bytes({'J', 0xfe, 0xff, 0xff, 0xff})), -2);
  EXPECT_EQ(integerOf(bytes({'K', 200})), 200);
  EXPECT_EQ(integerOf(bytes({'M', 0x34, 0x12})), 0x1234);
  EXPECT_EQ(integerOf(bytes({0x8a, 0})), 0);
  EXPECT_EQ(integerOf(bytes({0x8a, 1, 0xff})), -1);
  EXPECT_EQ(integerOf(bytes({0x8a, 2, 0xff, 0})), 255);
  EXPECT_EQ(integerOf(bytes({0x8b, 3, 0, 0, 0, 0, 0, 1})), 65536);
  const Reading large(bytes({0x8a, 9, 1, 0, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(large.root().kind, Kind::bytes);
  EXPECT_EQ(large.text().size(), 9u);
}

TEST(Pickle, ReadsNoneTruthAndRealNumbers) {
  EXPECT_EQ(Reading("N").root().kind, Kind::none);
  EXPECT_EQ(Reading("\x88").root().as.integer, 1);
  EXPECT_EQ(Reading("\x89").root().kind, Kind::boolean);
  EXPECT_EQ(Reading(op::real(-0.15625)).root().as.real, -0.15625);
}

TEST(Pickle, ReadsTextAndBytesOfEveryLengthField) {
  const std::string four = bytes({3, 0, 0, 0}) + "abc", eight = bytes({3, 0, 0, 0, 0, 0, 0, 0}) + "abc",
                    one = bytes({3}) + "abc";
  for (const auto& codes : {"X" + four, "\x8c" + one, "\x8d" + eight, "T" + four, "U" + one}) {
    EXPECT_EQ(Reading(codes).root().kind, Kind::text);
    EXPECT_EQ(Reading(codes).text(), "abc");
  }
  for (const auto& codes : {"B" + four, "C" + one, "\x8e" + eight, "\x96" + eight}) {
    EXPECT_EQ(Reading(codes).root().kind, Kind::bytes);
    EXPECT_EQ(Reading(codes).text(), "abc");
  }
}

TEST(Pickle, ReadsContainers) {
  EXPECT_EQ(Reading(")").items().size(), 0u);
  EXPECT_EQ(Reading("N\x85").items().size(), 1u);
  EXPECT_EQ(Reading("NN\x86").items().size(), 2u);
  const Reading three("K\x01K\x02K\x03\x87");
  ASSERT_EQ(three.items().size(), 3u);
  EXPECT_EQ(three.items()[0].as.integer, 1);
  EXPECT_EQ(three.items()[2].as.integer, 3);
  EXPECT_EQ(Reading("(NNNNt").items().size(), 4u);
  EXPECT_EQ(Reading("]Na(NNe").items().size(), 3u);
  EXPECT_EQ(Reading("\x8f(NN\x90").items().size(), 2u);
  EXPECT_EQ(Reading("(NNN\x91").items().size(), 3u);
  const Reading dict("}K\x01K\x02s(K\x03K\x04u");
  EXPECT_EQ(dict.root().kind, Kind::dict);
  ASSERT_EQ(dict.items().size(), 4u);
  EXPECT_EQ(dict.items()[3].as.integer, 4);
}

TEST(Pickle, HandlesTheStackAndTheMemo) {
  EXPECT_EQ(integerOf("K\x01K\x02"
                      "0"),
            1);                        // POP
  EXPECT_EQ(integerOf("K\x01(0"), 1);  // POP of a mark
  EXPECT_EQ(integerOf("K\x01(K\x02K\x03"
                      "1"),
            1);  // POP_MARK
  EXPECT_EQ(Reading("K\x01"
                    "2\x86")
                .items()[1]
                .as.integer,
            1);  // DUP
  EXPECT_EQ(integerOf(bytes({'K', 7, 'q', 3, '0', 'h', 3})), 7);
  EXPECT_EQ(integerOf(bytes({'K', 7, 'r', 0, 0, 0, 9, '0', 'j', 0, 0, 0, 9})), 7);
  EXPECT_EQ(integerOf(bytes({'K', 7, 0x94, '0', 'K', 8, 0x94, '0', 'h', 1})), 8);
  EXPECT_EQ(integerOf(bytes({0x95, 2, 0, 0, 0, 0, 0, 0, 0, 'K', 7})), 7);  // FRAME
}

TEST(Pickle, RecordsCallsInsteadOfMakingThem) {
  const std::string system = op::global("os", "system"), arguments = op::tuple({op::text("touch /tmp/x")});
  for (const auto& codes :
       {system + arguments + "R", system + arguments + "\x81", system + arguments + "}\x92",
        op::text("os") + op::text("system") + "\x93" + arguments + "R"}) {
    const Reading reading(codes);
    EXPECT_EQ(reading.root().kind, Kind::object);
    ASSERT_EQ(reading.items().size(), 3u);
    EXPECT_EQ(reading.items()[0].kind, Kind::global);
    EXPECT_EQ(Pickle::text(reading.items()[0]), "os system");
    EXPECT_EQ(Pickle::text(reading.pickle().items(reading.items()[1])[0]), "touch /tmp/x");
  }
}

TEST(Pickle, KeepsStateAndItemsOfObjects) {
  const Reading object(op::global("a", "B") + ")R" + "(K\x01K\x02u" + "}b" + "]Na0");
  EXPECT_EQ(object.root().kind, Kind::object);
  ASSERT_EQ(object.items().size(), 5u);
  EXPECT_EQ(object.items()[2].kind, Kind::dict);
  EXPECT_EQ(object.items()[4].as.integer, 2);
}

TEST(Pickle, ListsPersistentValues) {
  const Reading reading("(K\x05QK\x06Qt");
  ASSERT_EQ(reading.pickle().persistents().size(), 2u);
  EXPECT_EQ(reading.pickle().items(reading.pickle().persistents()[1])[0].as.integer, 6);
}

TEST(Pickle, StopsBehindStop) {
  const std::string two = op::pickle("K\x01") + op::pickle("K\x02");
  size_t position = 0;
  EXPECT_EQ(Pickle(two, position).root().as.integer, 1);
  EXPECT_EQ(Pickle(two, position).root().as.integer, 2);
  EXPECT_EQ(position, two.size());
}

TEST(Pickle, AListThatHoldsItselfIsRead) {
  const Reading reading(bytes({']', 'q', 0, 'h', 0, 'a'}));
  EXPECT_EQ(reading.pickle().items(reading.items()[0]).size(), 1u);
}

TEST(Pickle, RefusesOpCodesThatTorchDoesNotWrite) {
  // INST, OBJ, PERSID, EXT1, EXT2, EXT4, the text op-codes of protocol 0, NEXT_BUFFER, READONLY_BUFFER
  for (const int code : std::initializer_list<int>{'i', 'o', 'P', 0x82, 0x83, 0x84, 'I', 'L', 'F', 'S', 'V',
                                                   'p', 'g', 'l', 'd', 0x97, 0x98, 0, 0xff})
    expectRefused([&] { Reading("N" + bytes({code}) + "0\n"); },
                  {"op-code " + std::to_string(code), "byte 3", "torch.save does not write"});
}

TEST(Pickle, RefusesDamage) {
  struct Case {
    std::string codes, word;
  };
  const std::vector<Case> cases = {
      {"", "empty stack"},
      {"0", "empty stack"},
      {"(N1", "empty stack"},
      {"N(a", "empty stack"},
      {"t", "closes what it did not open"},
      {"NNa", "no container"},
      {"N(NNu", "no container"},
      {"](NNu", "no container"},
      {"}Na", "no container"},
      {"}(Nu", "without a value"},
      {bytes({'h', 4}), "value 4"},
      {bytes({'q', 4}), "empty stack"},
      {"NN\x93", "something else than text"},
      {"N\x85R", "empty stack"},
      {"X\xff\xff\xff\xff", "cut short"},
      {"\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
       "abc",
       "cut short"},
      {"cos\nsystem", "does not end"},
  };
  for (const auto& refused : cases) {
    SCOPED_TRACE(testing::PrintToString(refused.codes));
    expectRefused([&] { Reading{refused.codes}; }, {refused.word, "byte"});
  }
  for (const int version : {0, 1, 6}) {
    size_t position = 0;
    expectRefused([&] { Pickle(bytes({0x80, version, 'N', '.'}), position); }, {"protocol"});
  }
}

TEST(Pickle, RefusesEveryCut) {
  const SavedTensor tensor{"a.b", bytesOf<float>({1, 2}), {2}};
  const std::string whole = op::pickle(op::stateDict({tensor}));
  for (size_t length = 0; length < whole.size(); ++length) {
    size_t position = 0;
    expectRefused([&] { Pickle(std::string_view(whole).substr(0, length), position); }, {});
  }
}

TEST(Pickle, RefusesAbsurdlyManyValues) {
  for (const std::string code : {"N", "]", "(", ")"}) {
    std::string many;
    for (int i = 0; i < 5'000'000; ++i) many += code;
    expectRefused([&] { Reading{many}; }, {"4194304 values", "hostile"});
  }
}

}  // namespace
}  // namespace rdi::convert::readers
