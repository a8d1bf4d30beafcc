// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// Thousands of damaged models through everything that reads files. Each is either read or refused with an
// rdi::Error; a crash, another exception or (in the asan build) an access out of bounds fails the test. Seeds
// are fixed, so a failure repeats; RDI_FUZZ_ROUNDS in the environment makes it run longer.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <random>

#include "converters/convert.hpp"
#include "converters/inspect.hpp"
#include "converters/inspect_text.hpp"
#include "graph/early_exit.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi {
namespace {

using Engine = std::mt19937_64;

size_t below(Engine& engine, size_t bound) { return bound == 0 ? 0 : engine() % bound; }

onnx::ModelProto seedModel() {
  auto model = test::tinyMultiExit();
  graph::Metadata metadata;
  metadata.architecture = "rdi-tiny";
  metadata.classNames = {"a", "b", "c", "d"};
  metadata.preprocessing.emplace();
  metadata.rule.emplace();
  metadata.rule->thresholds = {0.3f, INFINITY};
  metadata.results = {{"accuracy", 0.5}};
  graph::writeMetadata(model, metadata);
  return model;
}

/// What a user's file meets: reading, inspection as text and JSON, conversion with the file's rule and with a
/// given one, one exit alone; and what is made of it is read again. True when it was read at all.
bool feed(const std::string& bytes) {
  const auto attempt = [](const std::function<void()>& body) {
    try {
      body();
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  onnx::ModelProto model;
  if (!attempt([&] { model = graph::parseModel(bytes.data(), bytes.size(), "in.onnx"); })) return false;
  attempt([&] {
    const auto found = convert::inspect(model, "in.onnx", bytes.size());
    convert::toText(found);
    found.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
  });
  const auto convertAndRead = [&](const convert::ConvertOptions& options) {
    const auto early = graph::serialize(convert::toEarlyExit(model, "in.onnx", options));
    convert::inspect(graph::parseModel(early.data(), early.size(), "out.onnx"), "out.onnx", early.size());
  };
  attempt([&] { convertAndRead({}); });
  attempt([&] {
    convert::ConvertOptions options;
    options.exits = graph::exitNames(model);
    options.thresholds.emplace(options.exits.size() - 1, 0.5f);
    convertAndRead(options);
  });
  attempt([&] {
    const auto alone = graph::serialize(convert::toStatic(model, "in.onnx", graph::exitNames(model).back()));
    graph::parseModel(alone.data(), alone.size(), "out.onnx");
  });
  return true;
}

void damageBytes(std::string& bytes, Engine& engine) {
  const size_t edits = 1 + below(engine, 4);
  for (size_t i = 0; i < edits && !bytes.empty(); ++i) {
    const size_t at = below(engine, bytes.size()),
                 length = 1 + below(engine, std::min<size_t>(64, bytes.size() - at));
    switch (below(engine, 6)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(engine, 8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(engine());
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, length);
        break;
      case 4:
        bytes.insert(at, bytes.substr(below(engine, bytes.size()), length));
        break;
      default:
        for (size_t k = 0; k < length; ++k) bytes[at + k] = static_cast<char>(engine());
    }
  }
}

int64_t strangeNumber(Engine& engine) {
  constexpr int64_t kNumbers[] = {0,  1,  -1, 2,         3,         7,         64,
                                  -9, 99, 11, 1 << 20,   INT32_MAX, INT32_MIN, int64_t{1} << 40,
                                  5,  8,  4,  INT64_MAX, INT64_MIN, 10,        1000};
  return kNumbers[below(engine, std::size(kNumbers))];
}

/// Any tensor name of the graph, or one that nobody has.
std::string anyTensor(const onnx::GraphProto& graph, Engine& engine) {
  const size_t choice = below(engine, 10);
  if (choice == 0) return "";
  if (choice == 1) return "nobody";
  if (choice == 2) return "image";
  if (choice < 6 && graph.initializer_size() > 0)
    return graph.initializer(static_cast<int>(below(engine, static_cast<size_t>(graph.initializer_size()))))
        .name();
  const auto& node = graph.node(static_cast<int>(below(engine, static_cast<size_t>(graph.node_size()))));
  return node.output_size() > 0 ? node.output(0) : "";
}

void damageNode(onnx::GraphProto& graph, onnx::NodeProto& node, Engine& engine) {
  constexpr const char* kOperators[] = {
      "Conv",     "Gemm",    "MatMul",  "Add",        "Concat",    "Relu",
      "Identity", "Dropout", "Flatten", "Reshape",    "Softmax",   "BatchNormalization",
      "Constant", "MaxPool", "Pad",     "ReduceMean", "Transpose", "GlobalAveragePool"};
  switch (below(engine, 6)) {
    case 0:
      node.set_op_type(kOperators[below(engine, std::size(kOperators))]);
      break;
    case 1:
      if (node.input_size() > 0)
        node.set_input(static_cast<int>(below(engine, static_cast<size_t>(node.input_size()))),
                       anyTensor(graph, engine));
      break;
    case 2:
      node.add_input(anyTensor(graph, engine));
      break;
    case 3:
      if (node.input_size() > 0) node.mutable_input()->RemoveLast();
      break;
    case 4:
      if (node.output_size() > 0) node.set_output(0, anyTensor(graph, engine));
      break;
    default:
      node.add_output(anyTensor(graph, engine));
  }
}

void damageAttribute(onnx::NodeProto& node, Engine& engine) {
  constexpr const char* kNames[] = {"strides", "pads",      "dilations",    "kernel_shape", "group",
                                    "axis",    "transA",    "transB",       "epsilon",      "momentum",
                                    "ratio",   "alpha",     "axes",         "auto_pad",     "perm",
                                    "value",   "ceil_mode", "training_mode"};
  if (node.attribute_size() == 0 || below(engine, 3) == 0)
    node.add_attribute()->set_name(kNames[below(engine, std::size(kNames))]);
  auto& attribute =
      *node.mutable_attribute(static_cast<int>(below(engine, static_cast<size_t>(node.attribute_size()))));
  switch (below(engine, 4)) {
    case 0:
      attribute.set_type(onnx::AttributeProto::INT);
      attribute.set_i(strangeNumber(engine));
      break;
    case 1:
      attribute.set_type(onnx::AttributeProto::INTS);
      if (attribute.ints_size() == 0 || below(engine, 4) == 0) attribute.add_ints(strangeNumber(engine));
      attribute.set_ints(static_cast<int>(below(engine, static_cast<size_t>(attribute.ints_size()))),
                         strangeNumber(engine));
      break;
    case 2:
      attribute.set_type(onnx::AttributeProto::FLOAT);
      attribute.set_f(below(engine, 2) ? NAN : INFINITY);
      break;
    default:
      attribute.set_type(onnx::AttributeProto::STRING);
      attribute.set_s(below(engine, 2) ? "SAME_UPPER" : "");
  }
}

void damageTensor(onnx::TensorProto& tensor, Engine& engine) {
  switch (below(engine, 4)) {
    case 0:
      if (tensor.dims_size() > 0)
        tensor.set_dims(static_cast<int>(below(engine, static_cast<size_t>(tensor.dims_size()))),
                        strangeNumber(engine));
      break;
    case 1:
      tensor.set_data_type(static_cast<int>(below(engine, 18)));
      break;
    case 2: {  // another shape of the same number of values
      int64_t count = 1;
      for (const int64_t dim : tensor.dims()) count *= dim;
      tensor.clear_dims();
      if (below(engine, 2)) tensor.add_dims(1);
      tensor.add_dims(count);
      break;
    }
    default:
      tensor.set_name("renamed");
  }
}

/// Changes meaning instead of bytes: such models pass the protobuf parser and go deep.
void damageStructure(onnx::ModelProto& model, Engine& engine) {
  auto& graph = *model.mutable_graph();
  const size_t edits = 1 + below(engine, 3);
  for (size_t i = 0; i < edits; ++i) {
    const size_t kind = below(engine, 9);
    const int node = static_cast<int>(below(engine, static_cast<size_t>(graph.node_size())));
    if (kind < 2) damageNode(graph, *graph.mutable_node(node), engine);
    if (kind == 2 || kind == 3) damageAttribute(*graph.mutable_node(node), engine);
    if (kind == 4 && graph.initializer_size() > 0)
      damageTensor(*graph.mutable_initializer(
                       static_cast<int>(below(engine, static_cast<size_t>(graph.initializer_size())))),
                   engine);
    if (kind == 5 && graph.node_size() > 1) graph.mutable_node()->SwapElements(node, 0);
    if (kind == 6 && graph.node_size() > 1) graph.mutable_node()->DeleteSubrange(node, 1);
    if (kind == 7 && graph.output_size() > 0) {
      auto& output =
          *graph.mutable_output(static_cast<int>(below(engine, static_cast<size_t>(graph.output_size()))));
      if (below(engine, 2))
        output.set_name(anyTensor(graph, engine));
      else
        output.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(
            strangeNumber(engine));
    }
    if (kind == 8) {
      auto& shape = *graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
      if (shape.dim_size() > 0)
        shape.mutable_dim(static_cast<int>(below(engine, static_cast<size_t>(shape.dim_size()))))
            ->set_dim_value(strangeNumber(engine));
    }
  }
}

int rounds(int usual) {
  const char* asked = std::getenv("RDI_FUZZ_ROUNDS");
  return asked ? std::atoi(asked) : usual;
}

void feedDamagedBytes(const std::string& seed, uint64_t firstSeed, int count) {
  ASSERT_TRUE(feed(seed)) << "the undamaged model must be read";
  int refused = 0;
  for (int i = 0; i < count; ++i) {
    SCOPED_TRACE(i);
    Engine engine(firstSeed + static_cast<uint64_t>(i));
    std::string bytes = seed;
    damageBytes(bytes, engine);
    ASSERT_NO_THROW(refused += feed(bytes) ? 0 : 1);
  }
  EXPECT_GT(refused, 0);
}

TEST(Fuzz, DamagedBytesOfAMultiExitModel) {
  feedDamagedBytes(graph::serialize(seedModel()), 1000000, rounds(2500));
}

TEST(Fuzz, DamagedBytesOfAnEarlyExitModel) {
  feedDamagedBytes(graph::serialize(convert::toEarlyExit(seedModel(), "seed", {})), 2000000, rounds(2500));
}

TEST(Fuzz, DamagedStructureOfAMultiExitModel) {
  const auto seed = seedModel();
  int read = 0;
  for (int i = 0; i < rounds(4000); ++i) {
    SCOPED_TRACE(i);
    Engine engine(3000000 + static_cast<uint64_t>(i));
    auto model = seed;
    damageStructure(model, engine);
    ASSERT_NO_THROW(read += feed(graph::serialize(model)) ? 1 : 0);
  }
  EXPECT_GT(read, 0);  // else the damage is too coarse to reach the code behind the checks
}

TEST(Fuzz, DamagedStructureOfAnEarlyExitModel) {
  const auto seed = convert::toEarlyExit(seedModel(), "seed", {});
  int read = 0;
  for (int i = 0; i < rounds(1500); ++i) {
    SCOPED_TRACE(i);
    Engine engine(4000000 + static_cast<uint64_t>(i));
    auto model = seed;
    damageStructure(model, engine);
    ASSERT_NO_THROW(read += feed(graph::serialize(model)) ? 1 : 0);
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace rdi
