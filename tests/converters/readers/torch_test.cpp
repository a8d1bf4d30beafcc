// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// PyTorch's two containers, and what may stand in their pickles.

#include <gtest/gtest.h>

#include "converters/weights.hpp"
#include "tests/converters/messages.hpp"
#include "tests/converters/readers/foreign_files.hpp"

namespace rdi::convert {
namespace {

using namespace test;
using V = std::vector<float>;

const SavedTensor kWeight{"conv.weight", bytesOf<float>({1, 2, 3, 4, 5, 6}), {2, 3}};
const SavedTensor kBias{"conv.bias", bytesOf<float>({7, 8}), {2}};
const std::vector<SavedTensor> kTensors = {kWeight, kBias};

/// A container of PyTorch, by name.
using Container = std::string (*)(const std::string& value, const std::vector<SavedTensor>& tensors);
std::string stored(const std::string& value, const std::vector<SavedTensor>& tensors) {
  return torchZip(value, tensors);
}
std::string deflated(const std::string& value, const std::vector<SavedTensor>& tensors) {
  return torchZip(value, tensors, true);
}
std::string legacy(const std::string& value, const std::vector<SavedTensor>& tensors) {
  return torchLegacy(value, tensors);
}
constexpr Container kContainers[] = {stored, deflated, legacy};

Weights parse(const std::string& bytes, const std::string& key = "") {
  return parseWeights(bytes, "file.pt", key);
}

V values(const Weights& weights, const std::string& name) { return toFloat(weights.tensors.at(name)); }

/// Values of "conv.weight" where the file holds only it.
V valuesOf(const std::string& value, const std::vector<SavedTensor>& tensors) {
  return values(parse(torchZip(value, tensors)), "conv.weight");
}

std::string stateDictOf(const std::string& value) { return op::dict({{op::text("conv.weight"), value}}); }

TEST(Torch, ReadsAStateDictFromEveryContainer) {
  for (const auto container : kContainers) {
    for (const auto& value :
         {op::stateDict(kTensors), op::dict({{op::text("state_dict"), op::stateDict(kTensors)},
                                             {op::text("epoch"), op::integer(3)}})}) {
      const auto weights = parse(container(value, kTensors));
      EXPECT_EQ(weights.file, "file.pt");
      EXPECT_EQ(weights.tensors.size(), 2u);
      EXPECT_EQ(weights.tensors.at("conv.weight").shape, (graph::Shape{2, 3}));
      EXPECT_EQ(values(weights, "conv.weight"), (V{1, 2, 3, 4, 5, 6}));
      EXPECT_EQ(values(weights, "conv.bias"), (V{7, 8}));
    }
  }
}

TEST(Torch, ReadsStoragesOfEveryType) {
  struct Case {
    const char* type;
    std::string storage;
  };
  const std::vector<Case> cases = {
      {"FloatStorage", bytesOf<float>({1, 2})},
      {"DoubleStorage", bytesOf<double>({1, 2})},
      {"HalfStorage", bytesOf<uint16_t>({0x3c00, 0x4000})},
      {"BFloat16Storage", bytesOf<uint16_t>({0x3f80, 0x4000})},
      {"CharStorage", bytesOf<int8_t>({1, 2})},
      {"ByteStorage", bytesOf<uint8_t>({1, 2})},
      {"ShortStorage", bytesOf<int16_t>({1, 2})},
      {"IntStorage", bytesOf<int32_t>({1, 2})},
      {"LongStorage", bytesOf<int64_t>({1, 2})},
  };
  for (const auto& read : cases) {
    SavedTensor tensor{
        "conv.weight", read.storage, {2}, {}, read.type, static_cast<int64_t>(read.storage.size() / 2)};
    for (const auto container : kContainers)
      EXPECT_EQ(values(parse(container(op::stateDict({tensor}), {tensor})), "conv.weight"), (V{1, 2}))
          << read.type;
  }
  const SavedTensor truth{"conv.weight", bytesOf<uint8_t>({1, 0}), {2}, {}, "BoolStorage", 1};
  EXPECT_EQ(valuesOf(op::stateDict({truth}), {truth}), (V{1, 0}));
}

TEST(Torch, ReadsViewsOfSharedStorages) {
  const std::string storage = bytesOf<float>({0, 1, 2, 3, 4, 5, 6, 7});
  const SavedTensor transposed{"a.transposed", storage, {2, 3}, {1, 2}, "FloatStorage", 4, 2, "shared"};
  const SavedTensor scalar{"a.scalar", storage, {}, {}, "FloatStorage", 4, 7, "shared"};
  for (const auto container : kContainers) {
    const auto weights = parse(container(op::stateDict({transposed, scalar}), {transposed, scalar}));
    EXPECT_EQ(values(weights, "a.transposed"), (V{2, 4, 6, 3, 5, 7}));
    EXPECT_EQ(values(weights, "a.scalar"), (V{7}));
  }
}

TEST(Torch, ReadsLegacyViewsOfStorages) {
  // Before 0.4 a storage could itself be a window into another: (key, offset, length) behind its description.
  std::string storage = op::storage(kWeight);
  storage.replace(storage.size() - 2, 2,
                  op::tuple({op::text("view"), op::integer(4), op::integer(2)}) + "tQ");
  const auto tensor =
      op::call(op::global("torch._utils", "_rebuild_tensor"),
               {storage, op::integer(1), op::tuple({op::integer(1)}), op::tuple({op::integer(1)})});
  EXPECT_EQ(values(parse(torchLegacy(stateDictOf(tensor), {kWeight})), "conv.weight"), (V{6}));
}

TEST(Torch, ReadsEveryWayToRebuildATensor) {
  const auto numbers = [](std::vector<int64_t> values) {
    std::vector<std::string> items;
    for (const auto value : values) items.push_back(op::integer(value));
    return op::tuple(items);
  };
  const auto rebuild = [](const char* name) { return op::global("torch._utils", name); };
  const std::vector<std::string> arguments = {op::storage(kWeight), op::integer(0), numbers({6}),
                                              numbers({1})};
  const auto with = [&](std::vector<std::string> more) {
    auto all = arguments;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  SavedTensor untyped = kWeight;
  untyped.type = "UntypedStorage";
  untyped.elementSize = 1;
  const std::vector<std::string> third = {
      op::storage(untyped),          op::integer(0), numbers({6}), numbers({1}), "\x89", op::orderedDict({}),
      op::global("torch", "float32")};
  const auto size = op::call(op::global("torch", "Size"), {numbers({6})});
  const std::string second = op::call(rebuild("_rebuild_tensor_v2"), with({"\x89", op::orderedDict({})}));
  const std::vector<std::string> ways = {
      op::call(rebuild("_rebuild_tensor"), arguments),
      second,
      op::call(rebuild("_rebuild_tensor_v2"), with({"\x89", op::orderedDict({}), "}"})),
      op::call(rebuild("_rebuild_tensor_v2"), {arguments[0], arguments[1], size, arguments[3], "\x89", "N"}),
      op::call(rebuild("_rebuild_tensor_v3"), third),
      op::parameter(second),
      op::call(rebuild("_rebuild_parameter_with_state"), {second, "\x88", op::orderedDict({}), "}"}),
      op::call(op::global("torch._tensor", "_rebuild_from_type_v2"),
               {rebuild("_rebuild_tensor_v2"), op::global("torch", "Tensor"),
                op::tuple(with({"\x89", op::orderedDict({})})), "}"}),
      op::call(op::global("torch._tensor", "_rebuild_from_type_v2"),
               {rebuild("_rebuild_parameter"), op::global("torch.nn.parameter", "Parameter"),
                op::tuple({second, "\x88", op::orderedDict({})}), "}"}),
  };
  for (size_t i = 0; i < ways.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(valuesOf(stateDictOf(ways[i]), {kWeight}), (V{1, 2, 3, 4, 5, 6}));
  }
}

TEST(Torch, ReadsDictsOfEveryKind) {
  const auto tensor = op::tensor(kWeight);
  const auto entry = op::text("conv.weight") + tensor;
  const std::string pair = op::list({op::text("conv.weight"), tensor});
  for (const auto& dict : {
           "}" + entry + "s",
           op::global("collections", "OrderedDict") + ")R" + entry + "s",
           op::call(op::global("collections", "OrderedDict"), {op::list({pair})}),  // Python 2
           op::global("collections", "defaultdict") + op::tuple({op::global("torch", "Tensor")}) + "R" +
               entry + "s",
           // as PyTorch leaves its _metadata on a state dict
           op::orderedDict({{op::text("conv.weight"), tensor}}) + op::dict({{op::text("_metadata"), "}"}}) +
               "b",
       })
    EXPECT_EQ(valuesOf(dict, {kWeight}), (V{1, 2, 3, 4, 5, 6}));
}

TEST(Torch, TheLastOfTwoEqualKeysCounts) {
  SavedTensor other = kWeight;
  other.key = "other";
  other.storage = bytesOf<float>({0, 0, 0, 0, 0, 0});
  EXPECT_EQ(valuesOf(op::stateDict({other, kWeight}), {other, kWeight}), (V{1, 2, 3, 4, 5, 6}));
}

TEST(Torch, ReadsAWholeModule) {
  const auto module = [](const std::string& state) {
    return op::global("my.net", "Net") + ")\x81" + state + "b";
  };
  const auto named = [](const SavedTensor& tensor, const std::string& name) {
    return std::pair(op::text(name), op::parameter(op::tensor(tensor)));
  };
  const auto child = module(op::dict(
      {{op::text("_parameters"), op::orderedDict({named(kWeight, "weight"), {op::text("none"), "N"}})},
       {op::text("_buffers"), op::orderedDict({named(kBias, "mean")})},
       {op::text("training"), "\x88"}}));
  const auto root = module(op::dict({{op::text("_parameters"), op::orderedDict({})},
                                     {op::text("_modules"), op::orderedDict({{op::text("conv"), child}})}}));
  for (const auto container : kContainers) {
    const auto weights = parse(container(root, kTensors));
    EXPECT_EQ(values(weights, "conv.weight"), (V{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(values(weights, "conv.mean"), (V{7, 8}));
    EXPECT_EQ(weights.tensors.size(), 2u);
  }
  // TorchScript: tensors and children are plain attributes.
  const auto script =
      module(op::dict({{op::text("conv"), module(op::dict({{op::text("weight"), op::tensor(kWeight)}}))}}));
  EXPECT_EQ(valuesOf(script, {kWeight}), (V{1, 2, 3, 4, 5, 6}));
}

TEST(Torch, FindsTheStateDict) {
  const auto state = op::stateDict({kWeight});
  SavedTensor loss = kBias;
  loss.name = "best_loss";
  const auto optimizer =
      op::dict({{op::text("state"),
                 op::dict({{op::integer(0), op::dict({{op::text("exp.avg"), op::tensor(kBias)}})}})},
                {op::text("param_groups"), op::list({"}"})}});
  struct Case {
    std::string value, key;
  };
  const std::vector<Case> cases = {
      {state, "."},
      {op::dict({{op::text("net"), state}}), "net"},
      {op::dict({{op::text("a"), op::dict({{op::text("b"), state}})}}), "a.b"},
      {op::dict({{op::text("optimizer"), optimizer}, {op::text("model"), state}}), "model"},
      {op::dict({{op::text("best_loss"), op::tensor(kBias)}, {op::text("model"), state}}), "model"},
      {op::dict({{op::text("ema"), state + "q\x01"}, {op::text("model"), "h\x01"}}),
       "ema"},  // one and the same
  };
  for (const auto& found : cases) {
    const auto weights = parse(torchZip(found.value, kTensors));
    EXPECT_EQ(weights.key, found.key);
    EXPECT_EQ(values(weights, "conv.weight"), (V{1, 2, 3, 4, 5, 6})) << found.key;
  }
}

TEST(Torch, ChoosesAmongStateDictsByKey) {
  SavedTensor average = kWeight;
  average.key = "average";
  average.storage = bytesOf<float>({0, 0, 0, 0, 0, 1});
  const auto file = torchZip(op::dict({{op::text("model"), op::stateDict({kWeight})},
                                       {op::text("ema"), op::stateDict({average})},
                                       {op::text("loss"), op::tensor(kBias)}}),
                             {kWeight, kBias, average});
  expectRefused([&] { parse(file); }, {"file.pt", "model (1 tensors)", "ema (1 tensors)", "--key"});
  EXPECT_EQ(values(parse(file, "ema"), "conv.weight"), (V{0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(values(parse(file, "model"), "conv.weight"), (V{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(values(parse(file, "."), "loss"), (V{7, 8}));
  expectRefused([&] { parse(file, "net"); }, {"file.pt", "--key net", "model", "ema", ". (1 tensors)"});
}

TEST(Torch, SaysWhereThereIsNoStateDict) {
  expectRefused([&] { parse(torchZip("]", {})); }, {"file.pt", "a list", "state_dict()"});
  expectRefused(
      [&] {
        parse(torchZip(op::dict({{op::text("epoch"), op::integer(1)}}), {}));
      },
      {"a dict", "state_dict()"});
  expectRefused([&] { parse(torchZip(op::tensor(kBias), {kBias})); },
                {"an object of torch._utils _rebuild_tensor_v2"});
}

TEST(Torch, NamesEntriesThatAreNoTensorItCanRead) {
  SavedTensor complex = kBias;
  complex.type = "ComplexFloatStorage";
  complex.elementSize = 8;
  complex.shape = {1};
  const auto negated =
      op::call(op::global("torch._utils", "_rebuild_tensor_v2"),
               {op::storage(kBias), op::integer(0), op::tuple({op::integer(2)}), op::tuple({op::integer(1)}),
                "\x89", op::orderedDict({}), op::dict({{op::text("neg"), "\x88"}})});
  const auto weights = parse(torchZip(
      op::dict({{op::text("a.weight"), op::tensor(kWeight)},
                {op::text("a.complex"), op::tensor(complex)},
                {op::text("a.negated"), negated},
                {op::text("a.quantized"), op::call(op::global("torch._utils", "_rebuild_qtensor"), {"N"})},
                {op::text("a.array"), op::call(op::global("numpy.core.multiarray", "_reconstruct"), {})},
                {op::text("a.number"), op::real(1)}}),
      {kWeight, kBias}));
  EXPECT_EQ(weights.tensors.size(), 1u);
  EXPECT_EQ(weights.others.at("a.quantized"), "an object of torch._utils _rebuild_qtensor");
  EXPECT_EQ(weights.others.at("a.array"), "an object of numpy.core.multiarray _reconstruct");
  EXPECT_EQ(weights.others.at("a.number"), "a number");
  EXPECT_EQ(weights.others.count("a.complex") + weights.others.count("a.negated"), 2u);
}

TEST(Torch, RefusesTensorsThatDoNotFitTheirStorage) {
  const auto saved = [](std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t offset) {
    return SavedTensor{
        "conv.weight", bytesOf<float>({1, 2, 3}), std::move(shape), std::move(strides), "FloatStorage", 4,
        offset};
  };
  for (const auto container : kContainers) {
    const auto refuse = [&](const SavedTensor& tensor, const std::vector<std::string>& words) {
      auto all = words;
      all.insert(all.end(), {"file.pt: ", "tensor 'conv.weight'"});
      expectRefused([&] { parse(container(op::stateDict({tensor}), {tensor})); }, all);
    };
    refuse(saved({4}, {}, 0), {"4 of float32", "room for 3"});
    refuse(saved({3}, {}, 1), {"room for 2"});
    refuse(saved({1}, {}, 4), {"element 4", "storage of 3"});
    refuse(saved({2}, {3}, 0), {"strides"});
    refuse(saved({int64_t{1} << 60}, {}, 0), {"1152921504606846976"});
    refuse(saved({-1}, {}, 0), {"number of at least 0"});
    refuse(saved({1}, {}, -1), {"number of at least 0"});
    refuse(saved({1}, {}, INT64_MAX), {"begins at element"});
    refuse(saved(std::vector<int64_t>(65, 1), {}, 0), {"65 dimensions"});
  }
}

/// The state dict of one tensor whose storage says that it has 2^60 elements.
std::string hugeStorage() {
  return stateDictOf(
      op::call(op::global("torch._utils", "_rebuild_tensor_v2"),
               {op::storage("FloatStorage", "key of conv.weight", int64_t{1} << 60), op::integer(0),
                op::tuple({op::integer(int64_t{1} << 60)}), op::tuple({op::integer(1)}), "\x89", "N"}));
}

TEST(Torch, RefusesAHeaderThatClaimsTwoToTheSixty) {
  for (const auto container : kContainers)
    expectRefused([&] { parse(container(hugeStorage(), {kWeight})); }, {"file.pt", "conv.weight"});
  auto file = torchLegacy(op::stateDict({kWeight}), {kWeight});
  file.replace(file.size() - kWeight.storage.size() - 8, 8, bytesOf<int64_t>({int64_t{1} << 60}));
  expectRefused([&] { parse(file); }, {"file.pt", "1152921504606846976 elements", "found 24 bytes"});
  file.replace(file.size() - kWeight.storage.size() - 8, 8, bytesOf<int64_t>({-1}));
  expectRefused([&] { parse(file); }, {"file.pt", "cut short"});
}

TEST(Torch, RefusesBrokenDescriptions) {
  const auto tensor = [](const std::string& storage) {
    return stateDictOf(op::call(op::global("torch._utils", "_rebuild_tensor_v2"),
                                {storage, op::integer(0), op::tuple({}), op::tuple({}), "\x89", "N"}));
  };
  const auto refuse = [](const std::string& value, const std::string& word) {
    expectRefused([&] { parse(torchZip(value, {kWeight})); }, {"file.pt", "conv.weight", word});
  };
  refuse(tensor("N"), "no storage");
  refuse(tensor("NQ"), "no storage");
  refuse(tensor(op::tuple({op::text("storage")}) + "Q"), "described by something else");
  refuse(tensor(op::storage("FloatStorage", "k", -1)), "described by something else");
  refuse(tensor(op::storage("DecimalStorage", "k", 1)), "unknown class torch DecimalStorage");
  refuse(tensor(op::storage("FloatStorage", "elsewhere", 1)), "lacks the record archive/data/elsewhere");
  refuse(stateDictOf(op::call(op::global("torch._utils", "_rebuild_tensor_v2"), {"N"})), "lacks arguments");
  expectRefused([&] { parse(torchLegacy(op::stateDict({kWeight}), {})); }, {"file.pt", "lacks its storage"});
  expectRefused([&] { parse(torchLegacy(op::stateDict({}), {kWeight})); }, {"file.pt", "no tensor uses"});
}

TEST(Torch, RefusesBigEndianFiles) {
  expectRefused([&] { parse(torchLegacy(op::stateDict(kTensors), kTensors, false)); },
                {"file.pt", "big-endian"});
  expectRefused(
      [&] {
        parse(zip({{"a/data.pkl", op::pickle(op::stateDict({}))}, {"a/byteorder", "big"}}));
      },
      {"file.pt", "big-endian"});
}

TEST(Torch, RefusesOtherZipsAndPickles) {
  expectRefused([&] { parse(zip({{"arr_0.npy", "x"}})); }, {"file.pt", "arr_0.npy", "data.pkl"});
  expectRefused([&] { parse(zip({})); }, {"file.pt", "nothing", "data.pkl"});
  expectRefused([&] { parse(op::pickle(op::dict({}))); }, {"file.pt", "not one that torch.save wrote"});
  auto newer = torchLegacy(op::stateDict({}), {});
  newer[18] = 99;
  expectRefused([&] { parse(newer); }, {"file.pt", "protocol", "1001"});
}

TEST(Torch, RefusesEveryCut) {
  for (const auto container : kContainers) {
    const auto whole = container(op::stateDict(kTensors), kTensors);
    for (size_t length = 0; length < whole.size(); ++length)
      expectRefused([&] { parse(whole.substr(0, length)); }, {"file.pt: "});
  }
}

TEST(Torch, HostileNestingCostsLittle) {
  // Lists of two references to the list before: 2^50 paths, 50 lists.
  std::string lists = "]q\x01";
  for (int i = 1; i <= 50; ++i)
    lists += "0}(" + op::text("a") + "h" + char(i) + op::text("b") + "h" + char(i) + "uq" + char(i + 1);
  expectRefused([&] { parse(torchZip(lists, {})); }, {"no tensors by name"});
  // Thousands of dicts that are made of one and the same list of pairs.
  std::string pairs = "](";
  for (int i = 0; i < 10000; ++i) pairs += op::list({op::text(std::to_string(i)), "N"});
  pairs +=
      "e\x85q\x01"
      "0";
  std::string shared = pairs + "}(";
  for (int i = 0; i < 10000; ++i)
    shared += op::text(std::to_string(i)) + op::global("collections", "OrderedDict") + "h\x01R";
  expectRefused([&] { parse(torchZip(shared + "u", {})); }, {"share their contents", "hostile"});
  // A dict that holds itself.
  EXPECT_EQ(
      valuesOf("}q\x01" + op::text("self") + "h\x01s" + op::text("conv.weight") + op::tensor(kWeight) + "s",
               {kWeight})
          .size(),
      6u);
}

}  // namespace
}  // namespace rdi::convert
