// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Which reader a file gets, and the readers of safetensors and ONNX.

#include <gtest/gtest.h>

#include "converters/weights.hpp"
#include "graph/attributes.hpp"
#include "graph/early_exit.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/zoo.hpp"
#include "tests/converters/messages.hpp"
#include "tests/converters/readers/foreign_files.hpp"

namespace rdi::convert {
namespace {

using namespace test;
using onnx::TensorProto;
using V = std::vector<float>;

Weights parse(const std::string& bytes) { return parseWeights(bytes, "file", ""); }

const SavedTensor kTensor{"conv.weight", bytesOf<float>({1, 2, 3, 4}), {2, 2}, {}, "F32"};

TEST(Safetensors, ReadsEveryType) {
  struct Case {
    const char* type;
    std::string bytes;
  };
  for (const auto& read : std::vector<Case>{{"F32", bytesOf<float>({1, 0})},
                                            {"F16", bytesOf<uint16_t>({0x3c00, 0})},
                                            {"BF16", bytesOf<uint16_t>({0x3f80, 0})},
                                            {"F64", bytesOf<double>({1, 0})},
                                            {"I8", bytesOf<int8_t>({1, 0})},
                                            {"U8", bytesOf<uint8_t>({1, 0})},
                                            {"I16", bytesOf<int16_t>({1, 0})},
                                            {"I32", bytesOf<int32_t>({1, 0})},
                                            {"I64", bytesOf<int64_t>({1, 0})},
                                            {"BOOL", bytesOf<uint8_t>({1, 0})}}) {
    const auto weights = parse(safetensors({{"a", read.bytes, {2}, {}, read.type}}));
    EXPECT_EQ(toFloat(weights.tensors.at("a")), (V{1, 0})) << read.type;
  }
  const auto weights = parse(safetensors({kTensor, {"b", std::string(3, 'x'), {3}, {}, "F8_E4M3"}}));
  EXPECT_EQ(weights.tensors.at("conv.weight").shape, (graph::Shape{2, 2}));
  EXPECT_EQ(weights.others.at("b"), "a tensor of F8_E4M3");
}

TEST(Safetensors, HeadersOfEveryLengthAreToldFromPickles) {
  for (size_t padding = 0; padding < 1500; ++padding) {
    const auto file = safetensors(
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})" + std::string(padding, ' '), "x");
    ASSERT_EQ(parse(file).tensors.size(), 1u) << padding;
  }
}

TEST(Safetensors, RefusesWhatDoesNotFit) {
  const auto entry = [](const std::string& fields) { return R"({"a": {)" + fields + "}}"; };
  struct Case {
    std::string header, data, word;
  };
  const std::vector<Case> cases = {
      {R"({"a": )", "", "not JSON"},
      {R"({"a": 1})", "", "no dtype"},
      {entry(R"("dtype": 3, "shape": [1], "data_offsets": [0, 4])"), "1234", "no dtype"},
      {entry(R"("dtype": "F32", "shape": [1])"), "1234", "'data_offsets'"},
      {entry(R"("dtype": "F32", "data_offsets": [0, 4])"), "1234", "'shape'"},
      {entry(R"("dtype": "F32", "shape": 1, "data_offsets": [0, 4])"), "1234", "'shape'"},
      {entry(R"("dtype": "F32", "shape": [-1], "data_offsets": [0, 4])"), "1234", "'shape'"},
      {entry(R"("dtype": "F32", "shape": [1.5], "data_offsets": [0, 4])"), "1234", "'shape'"},
      {entry(R"("dtype": "F32", "shape": [18446744073709551615], "data_offsets": [0, 4])"), "1234",
       "'shape'"},
      {entry(R"("dtype": "F32", "shape": [1152921504606846976], "data_offsets": [0, 4])"), "1234", "hostile"},
      {entry(R"("dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 4])"), "1234",
       "hostile"},
      {entry(R"("dtype": "F32", "shape": [2], "data_offsets": [0, 4])"), "1234", "room for 1"},
      {entry(R"("dtype": "F32", "shape": [1], "data_offsets": [0, 8])"), "12345678", "8 bytes, expected 4"},
      {entry(R"("dtype": "F32", "shape": [1], "data_offsets": [4, 0])"), "1234", "data_offsets"},
      {entry(R"("dtype": "F32", "shape": [1], "data_offsets": [0, 2, 4])"), "1234", "data_offsets"},
      {entry(R"("dtype": "F32", "shape": [1], "data_offsets": [0, 4])"), "123", "cut short"},
      {entry(R"("dtype": "F32", "shape": [1], "data_offsets": [0, 4])"), "12345", "end at byte 4"},
      {entry(R"("dtype": "F32", "shape": [[1]], "data_offsets": [0, 4])"), "1234", "levels"},
      {"{}", "", "no tensors"},
  };
  for (const auto& refused : cases) {
    SCOPED_TRACE(refused.header);
    expectRefused([&] { parse(safetensors(refused.header, refused.data)); }, {"file: ", refused.word});
  }
  expectRefused([&] { parse(safetensors(std::string(100000, '['), "")); }, {"file: "});
  expectRefused([&] { parse(safetensors("{\"a\":" + std::string(100000, '['), "")); }, {"levels"});
  expectRefused(
      [&] {
        parse(safetensors({{std::string(301, 'a'), "x", {1}, {}, "U8"}}));
      },
      {"301 characters"});
}

TEST(Safetensors, RefusesEveryCut) {
  const auto whole = safetensors({kTensor});
  for (size_t length = 0; length < whole.size(); ++length)
    expectRefused([&] { parse(whole.substr(0, length)); }, {"file: "});
  expectRefused([&] { parse(whole.substr(0, 30)); }, {"cut short", "109 bytes, found 22"});
}

/// An ONNX model of one initializer.
std::string modelOf(const TensorProto& tensor) {
  onnx::ModelProto model;
  model.set_ir_version(6);
  *model.mutable_graph()->add_initializer() = tensor;
  model.mutable_graph()->add_output()->set_name("out");
  return graph::serialize(model);
}

TensorProto tensorOf(int type, int64_t count) {
  TensorProto tensor;
  tensor.set_name("w");
  tensor.set_data_type(type);
  tensor.add_dims(count);
  return tensor;
}

TEST(OnnxInitializers, ReadsRawDataOfEveryType) {
  struct Case {
    int type;
    std::string bytes;
  };
  for (const auto& read : std::vector<Case>{{TensorProto::FLOAT, bytesOf<float>({1, 0})},
                                            {TensorProto::FLOAT16, bytesOf<uint16_t>({0x3c00, 0})},
                                            {TensorProto::BFLOAT16, bytesOf<uint16_t>({0x3f80, 0})},
                                            {TensorProto::DOUBLE, bytesOf<double>({1, 0})},
                                            {TensorProto::INT8, bytesOf<int8_t>({1, 0})},
                                            {TensorProto::UINT8, bytesOf<uint8_t>({1, 0})},
                                            {TensorProto::INT16, bytesOf<int16_t>({1, 0})},
                                            {TensorProto::INT32, bytesOf<int32_t>({1, 0})},
                                            {TensorProto::INT64, bytesOf<int64_t>({1, 0})},
                                            {TensorProto::BOOL, bytesOf<uint8_t>({1, 0})}}) {
    auto tensor = tensorOf(read.type, 2);
    tensor.set_raw_data(read.bytes);
    EXPECT_EQ(toFloat(parse(modelOf(tensor)).tensors.at("w")), (V{1, 0})) << read.type;
  }
}

TEST(OnnxInitializers, ReadsTypedFields) {
  auto real = tensorOf(TensorProto::FLOAT, 2), longer = tensorOf(TensorProto::DOUBLE, 2),
       wide = tensorOf(TensorProto::INT64, 2);
  for (const float value : {1.0f, -2.0f}) {
    real.add_float_data(value);
    longer.add_double_data(value);
    wide.add_int64_data(static_cast<int64_t>(value));
  }
  for (const auto& tensor : {real, longer, wide})
    EXPECT_EQ(toFloat(parse(modelOf(tensor)).tensors.at("w")), (V{1, -2})) << tensor.data_type();
  struct Case {
    int type, value;
    float expected;
  };
  for (const auto& read :
       {Case{TensorProto::FLOAT16, 0xc000, -2}, Case{TensorProto::BFLOAT16, 0xc000, -2},
        Case{TensorProto::INT8, -2, -2}, Case{TensorProto::UINT8, 254, 254}, Case{TensorProto::INT16, -2, -2},
        Case{TensorProto::INT32, -2, -2}, Case{TensorProto::BOOL, 1, 1}}) {
    auto tensor = tensorOf(read.type, 1);
    tensor.add_int32_data(read.value);
    EXPECT_EQ(toFloat(parse(modelOf(tensor)).tensors.at("w")), V{read.expected}) << read.type;
  }
}

TEST(OnnxInitializers, AreThoseOfTheModel) {
  const auto model = zoo::build("rdi-smallcnn");
  const auto weights = parse(graph::serialize(model));
  EXPECT_EQ(weights.tensors.size(), static_cast<size_t>(model.graph().initializer_size()));
  for (const auto& initializer : model.graph().initializer())
    EXPECT_EQ(toFloat(weights.tensors.at(initializer.name())), graph::floatValues(initializer));
}

TEST(OnnxInitializers, RefusesWhatDoesNotFit) {
  auto outside = tensorOf(TensorProto::FLOAT, 1);
  outside.set_data_location(TensorProto::EXTERNAL);
  expectRefused([&] { parse(modelOf(outside)); }, {"file: tensor 'w'", "another file", "inside"});
  auto huge = tensorOf(TensorProto::FLOAT, int64_t{1} << 60);
  huge.set_raw_data("1234");
  expectRefused([&] { parse(modelOf(huge)); }, {"file: tensor 'w'", "1152921504606846976", "room for 1"});
  expectRefused([&] { parse(modelOf(tensorOf(TensorProto::FLOAT, 1))); }, {"tensor 'w'", "room for 0"});
  auto negative = tensorOf(TensorProto::FLOAT, -1);
  expectRefused([&] { parse(modelOf(negative)); }, {"tensor 'w'", "-1"});
  auto text = tensorOf(TensorProto::STRING, 1);
  expectRefused([&] { parse(modelOf(text)); }, {"no tensors"});
  const auto early = graph::buildEarlyExit(
      [] {
        auto model = zoo::build("rdi-smallcnn");
        return model;
      }(),
      [] {
        graph::EarlyExitOptions options;
        options.rule.emplace();
        options.rule->thresholds = {0, 0};
        return options;
      }());
  expectRefused([&] { parse(graph::serialize(early)); }, {"file: ", "early-exit", "multi-exit"});
}

TEST(Formats, SaysWhatAFileIsThatHoldsNoWeights) {
  struct Case {
    std::string bytes, word;
  };
  std::string tar(600, '\0');
  tar.replace(0, 4, "name");
  tar.replace(257, 5, "ustar");
  const std::vector<Case> cases = {
      {"", "is empty"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 99\n", "git lfs pull"},
      {"\n\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"},
      {R"({"weight_map": {}})", "JSON"},
      {"\x89HDF\r\n\x1a\n", "HDF5"},
      {"\x93NUMPY\x01", "NumPy"},
      {std::string("\x1f\x8b\x08\x00", 4), "gzip"},
      {tar, "tar archive"},
      {std::string("\x1c\0\0\0TFL3\0\0", 10), "TensorFlow Lite"},
      {std::string(1000, '\0'), "1000 zero bytes"},
      {"\xff\xff\xff\xff\xff\xff", "begins with the bytes ff ff ff ff ff ff"},
      {"hello, world", "68 65 6c 6c"},
  };
  for (const auto& refused : cases) {
    SCOPED_TRACE(refused.word);
    expectRefused([&] { parse(refused.bytes); }, {"file: ", refused.word});
  }
}

TEST(Formats, AKeyIsForPyTorchFiles) {
  expectRefused([&] { parseWeights(safetensors({kTensor}), "file", "model"); }, {"file: ", "--key"});
}

}  // namespace
}  // namespace rdi::convert
