// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/zoo/network_builder.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::zoo {
namespace {

using graph::setAttribute;
using graph::Shape;

constexpr char kInput[] = "image";
constexpr int64_t kOpset = 11;
constexpr int64_t kIrVersion = 6;
constexpr float kEpsilon = 1e-5f;
constexpr float kMomentum =
    0.9f;  // ONNX keeps this share of the old statistics, PyTorch's 0.1 is the new share

void declare(onnx::ValueInfoProto& value, const std::string& name, const Shape& shapeOfOne) {
  value.set_name(name);
  auto& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("N");
  for (const int64_t size : shapeOfOne) type.mutable_shape()->add_dim()->set_dim_value(size);
}

}  // namespace

NetworkBuilder::NetworkBuilder(const std::string& architecture, const Shape& input, uint64_t seed,
                               int64_t classes)
    : random_(seed), classes_(classes) {
  model_.set_ir_version(kIrVersion);
  model_.set_producer_name("rdi");
  model_.add_opset_import()->set_version(kOpset);
  model_.mutable_graph()->set_name(architecture);
  declare(*model_.mutable_graph()->add_input(), kInput, input);
  shapes_[kInput] = input;
}

NetworkBuilder::NetworkBuilder(onnx::ModelProto model, uint64_t seed)
    : model_(std::move(model)), random_(seed) {
  constexpr int64_t kLeastIrVersion = 4;  // from here on initializers need not be inputs
  model_.set_ir_version(std::max<int64_t>(model_.ir_version(), kLeastIrVersion));
  for (const auto& [tensor, shape] : graph::inferShapes(model_))
    if (!shape.empty() && graph::findInitializer(model_.graph(), tensor) == nullptr)
      shapes_[tensor] = Shape(shape.begin() + 1, shape.end());
}

std::string NetworkBuilder::input() const { return graph::inputName(model_); }

std::string NetworkBuilder::conv(const std::string& name, const std::string& src,
                                 const ConvOptions& options) {
  const Shape in = shapeOf(src, 3);
  const auto outSize = [&](int64_t size) {
    return (size + 2 * options.pad - options.kernel) / options.stride + 1;
  };
  const Shape out{options.outChannels, outSize(in[1]), outSize(in[2])};
  if (in[0] % options.groups != 0 || out[0] % options.groups != 0 || out[1] < 1 || out[2] < 1)
    throw Error(text("Layer ", name, ": a ", options.kernel, "x", options.kernel, " convolution in ",
                     options.groups, " groups cannot read ", graph::toString(in)));
  const int64_t area = options.kernel * options.kernel;
  const int64_t fanIn = in[0] / options.groups * area;
  auto& node = append("Conv", name, {src}, out);
  setAttribute(node, "kernel_shape", Shape{options.kernel, options.kernel});
  setAttribute(node, "strides", Shape{options.stride, options.stride});
  setAttribute(node, "pads", Shape(4, options.pad));
  setAttribute(node, "dilations", Shape{1, 1});
  setAttribute(node, "group", options.groups);
  node.add_input(addWeights(name + ".weight",
                            {out[0], in[0] / options.groups, options.kernel, options.kernel},
                            sampler(options.init, fanIn, area * out[0])));
  if (options.bias) {
    const Init biasInit = options.init == Init::uniformFanIn ? options.init : Init::zero;
    node.add_input(addWeights(name + ".bias", {out[0]}, sampler(biasInit, fanIn, 0)));
  }
  return name;
}

std::string NetworkBuilder::batchNorm(const std::string& name, const std::string& src) {
  const Shape shape = shapeOf(src, 3);
  auto& node = append("BatchNormalization", name, {src}, shape);
  setAttribute(node, "epsilon", kEpsilon);
  setAttribute(node, "momentum", kMomentum);
  const auto zero = [] { return 0.0; };
  const auto one = [] { return 1.0; };
  node.add_input(addWeights(name + ".weight", {shape[0]}, one));
  node.add_input(addWeights(name + ".bias", {shape[0]}, zero));
  node.add_input(addWeights(name + ".running_mean", {shape[0]}, zero));
  node.add_input(addWeights(name + ".running_var", {shape[0]}, one));
  return name;
}

std::string NetworkBuilder::relu(const std::string& name, const std::string& src) {
  append("Relu", name, {src}, shapeOf(src, 0));
  return name;
}

std::string NetworkBuilder::maxPool(const std::string& name, const std::string& src, int64_t window) {
  return pool("MaxPool", name, src, window);
}

std::string NetworkBuilder::averagePool(const std::string& name, const std::string& src, int64_t window) {
  return pool("AveragePool", name, src, window);
}

std::string NetworkBuilder::subsample(const std::string& name, const std::string& src, int64_t stride) {
  const Shape in = shapeOf(src, 3);
  auto& node =
      append("AveragePool", name, {src}, {in[0], (in[1] - 1) / stride + 1, (in[2] - 1) / stride + 1});
  setAttribute(node, "kernel_shape", Shape{1, 1});
  setAttribute(node, "strides", Shape{stride, stride});
  return name;
}

std::string NetworkBuilder::globalAveragePool(const std::string& name, const std::string& src) {
  append("GlobalAveragePool", name, {src}, {shapeOf(src, 3)[0], 1, 1});
  return name;
}

std::string NetworkBuilder::flatten(const std::string& name, const std::string& src) {
  const Shape in = shapeOf(src, 0);
  const int64_t count = std::accumulate(in.begin(), in.end(), int64_t{1}, std::multiplies<>());
  setAttribute(append("Flatten", name, {src}, {count}), "axis", int64_t{1});
  return name;
}

std::string NetworkBuilder::linear(const std::string& name, const std::string& src, int64_t outFeatures,
                                   Init init) {
  const int64_t fanIn = shapeOf(src, 1)[0];
  auto& node = append("Gemm", name, {src}, {outFeatures});
  setAttribute(node, "alpha", 1.0f);
  setAttribute(node, "beta", 1.0f);
  setAttribute(node, "transB", int64_t{1});
  node.add_input(addWeights(name + ".weight", {outFeatures, fanIn}, sampler(init, fanIn, outFeatures)));
  const Init biasInit = init == Init::uniformFanIn ? init : Init::zero;
  node.add_input(addWeights(name + ".bias", {outFeatures}, sampler(biasInit, fanIn, outFeatures)));
  return name;
}

std::string NetworkBuilder::dropout(const std::string& name, const std::string& src, float ratio) {
  setAttribute(append("Dropout", name, {src}, shapeOf(src, 0)), "ratio", ratio);
  return name;
}

std::string NetworkBuilder::add(const std::string& name, const std::string& left, const std::string& right) {
  const Shape shape = shapeOf(left, 0);
  if (shapeOf(right, 0) != shape)
    throw Error(text("Layer ", name, ": cannot add ", right, " (", graph::toString(shapeOf(right, 0)),
                     ") to ", left, " (", graph::toString(shape), ")"));
  append("Add", name, {left, right}, shape);
  return name;
}

std::string NetworkBuilder::softmax(const std::string& name, const std::string& src) {
  setAttribute(append("Softmax", name, {src}, shapeOf(src, 1)), "axis", int64_t{1});
  return name;
}

std::string NetworkBuilder::padChannels(const std::string& name, const std::string& src, int64_t before,
                                        int64_t after) {
  const Shape in = shapeOf(src, 3);
  const std::string pads =
      addConstant(name + ".pads", graph::intTensor("", {8}, {0, before, 0, 0, 0, after, 0, 0}));
  append("Pad", name, {src, pads}, {in[0] + before + after, in[1], in[2]});
  return name;
}

std::string NetworkBuilder::normalize(const std::string& name, const std::string& src,
                                      const std::vector<float>& mean, const std::vector<float>& deviation) {
  const Shape in = shapeOf(src, 3);
  for (const auto* values : {&mean, &deviation})
    if (static_cast<int64_t>(values->size()) != in[0])
      throw Error(text("Layer ", name, ": ", values->size(), " values for ", in[0], " channels"));
  const Shape dims{in[0], 1, 1};
  const std::string centre = addConstant(name + ".mean", graph::floatTensor("", dims, mean));
  const std::string scale = addConstant(name + ".deviation", graph::floatTensor("", dims, deviation));
  append("Sub", name + ".centred", {src, centre}, in);
  append("Div", name, {name + ".centred", scale}, in);
  return name;
}

void NetworkBuilder::addExit(const std::string& exit, const std::string& src) {
  declare(*model_.mutable_graph()->add_output(), exit, shapeOf(src, 1));
  for (auto& node : *model_.mutable_graph()->mutable_node())
    for (auto* names : {node.mutable_input(), node.mutable_output()})
      for (auto& tensor : *names)
        if (tensor == src) tensor = exit;
  shapes_[exit] = shapes_.at(src);
  shapes_.erase(src);
}

onnx::ModelProto NetworkBuilder::finish() {
  shapes_.clear();
  return std::exchange(model_, {});
}

onnx::NodeProto& NetworkBuilder::append(const std::string& opType, const std::string& name,
                                        const std::vector<std::string>& sources, const Shape& shape) {
  if (!shapes_.emplace(name, shape).second) throw Error(text("Layer name ", name, " is used twice"));
  auto& node = *model_.mutable_graph()->add_node();
  node.set_op_type(opType);
  node.set_name(name);
  for (const auto& src : sources) node.add_input(src);
  node.add_output(name);
  return node;
}

std::string NetworkBuilder::pool(const std::string& opType, const std::string& name, const std::string& src,
                                 int64_t window) {
  const Shape in = shapeOf(src, 3);
  if (in[1] < window || in[2] < window)
    throw Error(
        text("Layer ", name, ": a pooling window of ", window, " does not fit ", graph::toString(in)));
  auto& node = append(opType, name, {src}, {in[0], in[1] / window, in[2] / window});
  setAttribute(node, "kernel_shape", Shape{window, window});
  setAttribute(node, "strides", Shape{window, window});
  return name;
}

const Shape& NetworkBuilder::shapeOf(const std::string& tensor, size_t rank) const {
  const auto found = shapes_.find(tensor);
  if (found == shapes_.end()) throw Error(text("No layer before this one is called ", tensor));
  if (rank != 0 && found->second.size() != rank)
    throw Error(text("Tensor ", tensor, " is ", graph::toString(found->second), ", expected ", rank,
                     " dimensions beside the batch"));
  return found->second;
}

std::string NetworkBuilder::addConstant(const std::string& name, onnx::TensorProto value) {
  auto& node = append("Constant", name, {}, {});
  auto& attribute = *node.add_attribute();
  attribute.set_name("value");
  attribute.set_type(onnx::AttributeProto::TENSOR);
  *attribute.mutable_t() = std::move(value);
  return name;
}

std::string NetworkBuilder::addWeights(const std::string& name, const Shape& dims,
                                       const std::function<double()>& draw) {
  const int64_t count = std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
  std::vector<float> values(static_cast<size_t>(count));
  for (auto& value : values) value = static_cast<float>(draw());
  *model_.mutable_graph()->add_initializer() = graph::floatTensor(name, dims, values);
  return name;
}

std::function<double()> NetworkBuilder::sampler(Init init, int64_t fanIn, int64_t fanOut) {
  switch (init) {
    case Init::uniformFanIn: {
      const double bound = 1.0 / std::sqrt(static_cast<double>(fanIn));
      return [this, bound] { return random_.uniform(-bound, bound); };
    }
    case Init::normalFanIn:
    case Init::normalFanOut: {
      const double fan = static_cast<double>(init == Init::normalFanIn ? fanIn : fanOut);
      return [this, deviation = std::sqrt(2.0 / fan)] { return random_.normal(deviation); };
    }
    case Init::zero:
      break;
  }
  return [] { return 0.0; };
}

}  // namespace rdi::zoo
