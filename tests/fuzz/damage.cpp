// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/fuzz/damage.hpp"

#include <cmath>
#include <cstdint>

namespace rdi::test {
namespace {

using Engine = std::mt19937_64;

size_t below(Engine& engine, size_t bound) { return bound == 0 ? 0 : engine() % bound; }

}  // namespace

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

namespace {

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
    case 2: {              // another shape of the same number of values
      uint64_t count = 1;  // an earlier damage may have made it wrap
      for (const int64_t dim : tensor.dims()) count *= static_cast<uint64_t>(dim);
      tensor.clear_dims();
      if (below(engine, 2)) tensor.add_dims(1);
      tensor.add_dims(static_cast<int64_t>(count));
      break;
    }
    default:
      tensor.set_name("renamed");
  }
}

}  // namespace

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

}  // namespace rdi::test
