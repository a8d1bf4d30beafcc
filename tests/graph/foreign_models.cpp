// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/graph/foreign_models.hpp"

#include <cmath>

#include "graph/attributes.hpp"
#include "graph/zoo/random.hpp"

namespace rdi::test {
namespace {

using graph::Shape;
using Names = std::vector<std::string>;

constexpr int64_t kClasses = 5;

/// Writes nodes in the form that operators have at an opset. Tensors are numbered, as exporters number them.
class Writer {
public:
  Writer(int64_t opset, const Shape& input) : opset_(opset) {
    model_.set_ir_version(opset < 9 ? 3 : opset < 13 ? 6 : 8);
    model_.add_opset_import()->set_version(opset);
    model_.mutable_graph()->set_name("foreign");
    declare(*model_.mutable_graph()->add_input(), "input.1", input);
  }

  std::string input() const { return "input.1"; }
  int64_t opset() const { return opset_; }

  std::string node(const std::string& type, const Names& inputs) {
    auto& node = *model_.mutable_graph()->add_node();
    node.set_op_type(type);
    const std::string output = std::to_string(++tensors_);
    node.set_name(type + "_" + output);
    for (const auto& input : inputs) node.add_input(input);
    node.add_output(output);
    return output;
  }
  template <typename Value>
  void set(const std::string& name, const Value& value) {
    graph::setAttribute(last(), name, value);
  }
  onnx::NodeProto& last() { return *model_.mutable_graph()->mutable_node(model_.graph().node_size() - 1); }

  // ---- Weights and constants ----

  std::string tensor(const Shape& dims, const std::vector<float>& values) {
    const std::string name = "weight." + std::to_string(++weights_);
    *model_.mutable_graph()->add_initializer() = graph::floatTensor(name, dims, values);
    return name;
  }
  /// Uniform within what keeps activations tame.
  std::string weight(const Shape& dims, int64_t fanIn) {
    const double bound = std::sqrt(3.0 / static_cast<double>(fanIn));
    return tensor(dims, draw(elementCount(dims), -bound, bound));
  }
  std::vector<float> draw(int64_t count, double low, double high) {
    std::vector<float> values(static_cast<size_t>(count));
    for (auto& value : values) value = static_cast<float>(random_.uniform(low, high));
    return values;
  }
  std::string ints(const Shape& values) {
    const std::string name = "shape." + std::to_string(++weights_);
    *model_.mutable_graph()->add_initializer() =
        graph::intTensor(name, {static_cast<int64_t>(values.size())}, values);
    return name;
  }
  std::string constant(const onnx::TensorProto& value) {
    const std::string name = node("Constant", {});
    auto& attribute = *last().add_attribute();
    attribute.set_name("value");
    attribute.set_type(onnx::AttributeProto::TENSOR);
    *attribute.mutable_t() = value;
    return name;
  }
  std::string scalar(float value) { return constant(graph::floatTensor("", {}, {value})); }
  std::string index(int64_t value) { return constant(graph::intTensor("", {}, {value})); }

  // ---- Operators that every opset writes alike ----

  std::string conv(const std::string& src, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
                   int64_t groups = 1, int64_t dilation = 1, bool bias = false) {
    Names inputs{src, weight({out, in / groups, kernel, kernel}, in / groups * kernel * kernel)};
    if (bias) inputs.push_back(tensor({out}, draw(out, -0.2, 0.2)));
    const std::string output = node("Conv", inputs);
    const int64_t pad = kernel / 2 * dilation;
    set("kernel_shape", Shape{kernel, kernel});
    set("strides", Shape{stride, stride});
    set("dilations", Shape{dilation, dilation});
    set("group", groups);
    set("pads", Shape{pad, pad, pad, pad});
    return output;
  }
  std::string batchNorm(const std::string& src, int64_t channels) {
    const std::string output = node(
        "BatchNormalization",
        {src, tensor({channels}, draw(channels, 0.6, 1.2)), tensor({channels}, draw(channels, -0.3, 0.3)),
         tensor({channels}, draw(channels, -0.3, 0.3)), tensor({channels}, draw(channels, 0.6, 1.4))});
    set("epsilon", 1e-5f);
    set("momentum", 0.9f);
    return output;
  }
  std::string relu(const std::string& src) { return node("Relu", {src}); }
  std::string convRelu(const std::string& src, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
                       int64_t groups = 1) {
    return relu(batchNorm(conv(src, in, out, kernel, stride, groups), out));
  }
  std::string pool(const std::string& type, const std::string& src, int64_t kernel, int64_t stride,
                   int64_t pad = 0) {
    const std::string output = node(type, {src});
    set("kernel_shape", Shape{kernel, kernel});
    set("strides", Shape{stride, stride});
    set("pads", Shape{pad, pad, pad, pad});
    return output;
  }
  std::string concat(const Names& parts, int64_t axis = 1) {
    const std::string output = node("Concat", parts);
    set("axis", axis);
    return output;
  }
  std::string flatten(const std::string& src) {
    const std::string output = node("Flatten", {src});
    set("axis", int64_t{1});
    return output;
  }
  std::string gemm(const std::string& src, int64_t in, int64_t out = kClasses) {
    const std::string output =
        node("Gemm", {src, weight({out, in}, in), tensor({out}, draw(out, -0.2, 0.2))});
    set("transB", int64_t{1});
    return output;
  }
  std::string matMulAdd(const std::string& src, int64_t in, int64_t out = kClasses) {
    return node("Add", {node("MatMul", {src, weight({in, out}, in)}), tensor({out}, draw(out, -0.2, 0.2))});
  }
  std::string transpose(const std::string& src, const Shape& order) {
    const std::string output = node("Transpose", {src});
    set("perm", order);
    return output;
  }
  std::string dropout(const std::string& src) {
    const std::string output = opset_ < 12 ? node("Dropout", {src}) : node("Dropout", {src, scalar(0.5f)});
    if (opset_ < 12) set("ratio", 0.5f);
    return output;
  }

  // ---- Operators whose operands moved from attributes to inputs ----

  std::string clip(const std::string& src, float low, float high) {
    if (opset_ >= 11) return node("Clip", {src, scalar(low), scalar(high)});
    const std::string output = node("Clip", {src});
    set("min", low);
    set("max", high);
    return output;
  }
  std::string squeeze(const std::string& src, const Shape& axes) {
    return withAxes("Squeeze", src, axes, 13);
  }
  std::string unsqueeze(const std::string& src, const Shape& axes) {
    return withAxes("Unsqueeze", src, axes, 13);
  }
  std::string mean(const std::string& src, const Shape& axes, bool keepDims) {
    const std::string output = node("ReduceMean", {src});
    set("axes", axes);
    set("keepdims", int64_t{keepDims});
    return output;
  }
  std::string pad(const std::string& src, const Shape& pads) {
    if (opset_ >= 11) return node("Pad", {src, ints(pads)});
    const std::string output = node("Pad", {src});
    set("pads", pads);
    return output;
  }
  std::string slice(const std::string& src, int64_t axis, int64_t start, int64_t end) {
    if (opset_ >= 10) return node("Slice", {src, ints({start}), ints({end}), ints({axis})});
    const std::string output = node("Slice", {src});
    set("starts", Shape{start});
    set("ends", Shape{end});
    set("axes", Shape{axis});
    return output;
  }
  std::string hardSigmoid(const std::string& src) {
    const std::string output = node("HardSigmoid", {src});
    set("alpha", 1.0f / 6);
    set("beta", 0.5f);
    return output;
  }
  /// One operator since opset 14, three before.
  std::string hardSwish(const std::string& src) {
    if (opset_ >= 14) return node("HardSwish", {src});
    const std::string clipped = clip(node("Add", {src, scalar(3)}), 0, 6);
    return node("Div", {node("Mul", {src, clipped}), scalar(6)});
  }

  /// x.view(x.size(0), -1), as PyTorch traces it.
  std::string view(const std::string& src) {
    const std::string rows = node("Gather", {node("Shape", {src}), index(0)});
    set("axis", int64_t{0});
    const std::string rest = constant(graph::intTensor("", {1}, {-1}));
    return node("Reshape", {src, concat({unsqueeze(rows, {0}), rest}, 0)});
  }

  void exit(const std::string& src, const Shape& shape = {kClasses}) {
    declare(*model_.mutable_graph()->add_output(), src, shape);
  }
  /// Renames the last node's output, as a person would.
  std::string as(const std::string& name) {
    last().set_output(0, name);
    return name;
  }

  onnx::ModelProto finish() {
    if (model_.ir_version() < 4)  // initializers are inputs, too
      for (const auto& initializer : model_.graph().initializer()) {
        auto& value = *model_.mutable_graph()->add_input();
        value.set_name(initializer.name());
        auto& type = *value.mutable_type()->mutable_tensor_type();
        type.set_elem_type(initializer.data_type());
        type.mutable_shape();
        for (const int64_t dim : initializer.dims()) type.mutable_shape()->add_dim()->set_dim_value(dim);
      }
    return std::move(model_);
  }

private:
  static void declare(onnx::ValueInfoProto& value, const std::string& name, const Shape& shapeOfOne) {
    value.set_name(name);
    auto& type = *value.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_param("batch");
    for (const int64_t size : shapeOfOne) type.mutable_shape()->add_dim()->set_dim_value(size);
  }

  std::string withAxes(const std::string& type, const std::string& src, const Shape& axes,
                       int64_t inputSince) {
    if (opset_ >= inputSince) return node(type, {src, ints(axes)});
    const std::string output = node(type, {src});
    set("axes", axes);
    return output;
  }

  onnx::ModelProto model_;
  int64_t opset_;
  int tensors_ = 0, weights_ = 0;
  zoo::Random random_{3};
};

// ---- PyTorch ----

onnx::ModelProto torchResNet(int64_t opset) {
  Writer net(opset, {3, 12, 12});
  std::string x = net.convRelu(net.input(), 3, 8, 3);
  const auto block = [&](const std::string& src, int64_t in, int64_t out, int64_t stride) {
    const std::string inner = net.convRelu(src, in, out, 3, stride);
    const std::string body = net.batchNorm(net.conv(inner, out, out, 3), out);
    const std::string shortcut = in == out ? src : net.batchNorm(net.conv(src, in, out, 1, stride), out);
    return net.relu(net.node("Add", {body, shortcut}));
  };
  const auto head = [&](const std::string& src, int64_t channels) {
    return net.gemm(net.flatten(net.node("GlobalAveragePool", {src})), channels);
  };
  x = block(x, 8, 8, 1);
  net.exit(head(x, 8));
  x = block(x, 8, 16, 2);
  net.exit(head(net.dropout(x), 16));
  net.exit(head(block(x, 16, 16, 1), 16));
  return net.finish();
}

/// Inverted residuals with ReLU6; the traced view() before the classifier.
onnx::ModelProto torchMobileNetV2(int64_t opset) {
  Writer net(opset, {3, 16, 16});
  const auto relu6 = [&](const std::string& src) { return net.clip(src, 0, 6); };
  const auto block = [&](const std::string& src, int64_t in, int64_t out, int64_t stride) {
    std::string x = relu6(net.batchNorm(net.conv(src, in, 3 * in, 1), 3 * in));
    x = relu6(net.batchNorm(net.conv(x, 3 * in, 3 * in, 3, stride, 3 * in), 3 * in));
    x = net.batchNorm(net.conv(x, 3 * in, out, 1), out);
    return stride == 1 && in == out ? net.node("Add", {src, x}) : x;
  };
  const auto head = [&](const std::string& src, int64_t channels) {
    return net.gemm(net.dropout(net.view(net.node("GlobalAveragePool", {src}))), channels);
  };
  std::string x = relu6(net.batchNorm(net.conv(net.input(), 3, 8, 3, 2), 8));
  x = block(x, 8, 8, 1);
  net.exit(head(x, 8));
  x = block(x, 8, 12, 2);
  net.exit(head(x, 12));
  x = block(x, 12, 12, 1);
  net.exit(head(relu6(net.conv(x, 12, 24, 1)), 24));
  return net.finish();
}

/// Squeeze-and-excitation, HardSwish, HardSigmoid; the classifier is a convolution, Flatten comes last.
onnx::ModelProto torchMobileNetV3(int64_t opset) {
  Writer net(opset, {3, 16, 16});
  const auto excite = [&](const std::string& src, int64_t channels) {
    std::string gate = net.node("GlobalAveragePool", {src});
    gate = net.relu(net.conv(gate, channels, 4, 1, 1, 1, 1, true));
    return net.node("Mul", {src, net.hardSigmoid(net.conv(gate, 4, channels, 1, 1, 1, 1, true))});
  };
  const auto head = [&](const std::string& src, int64_t channels) {
    const std::string wide = net.hardSwish(net.conv(net.node("GlobalAveragePool", {src}), channels, 20, 1));
    return net.flatten(net.conv(wide, 20, kClasses, 1, 1, 1, 1, true));
  };
  std::string x = net.hardSwish(net.batchNorm(net.conv(net.input(), 3, 8, 3, 2), 8));
  x = excite(net.hardSwish(net.conv(x, 8, 8, 3, 1, 8)), 8);
  net.exit(head(x, 8));
  x = net.hardSwish(net.batchNorm(net.conv(x, 8, 16, 5, 2), 16));
  net.exit(head(excite(x, 16), 16));
  return net.finish();
}

/// SiLU as Sigmoid and Mul; the gate of squeeze-and-excitation goes through ReduceMean.
onnx::ModelProto torchEfficientNet(int64_t opset) {
  Writer net(opset, {3, 16, 16});
  const auto silu = [&](const std::string& src) {
    return net.node("Mul", {src, net.node("Sigmoid", {src})});
  };
  const auto excite = [&](const std::string& src, int64_t channels) {
    std::string gate = net.mean(src, {2, 3}, true);
    gate = silu(net.conv(gate, channels, 2, 1, 1, 1, 1, true));
    gate = net.node("Sigmoid", {net.conv(gate, 2, channels, 1, 1, 1, 1, true)});
    return net.node("Mul", {gate, src});
  };
  const auto head = [&](const std::string& src, int64_t channels) {
    return net.gemm(net.mean(src, {-1, -2}, false), channels);
  };
  std::string x = silu(net.batchNorm(net.conv(net.input(), 3, 8, 3, 2), 8));
  x = excite(silu(net.conv(x, 8, 8, 3, 1, 8)), 8);
  net.exit(head(x, 8));
  x = silu(net.batchNorm(net.conv(x, 8, 12, 3, 2), 12));
  net.exit(head(excite(x, 12), 12));
  return net.finish();
}

/// Exits inside a dense block: every earlier feature map crosses the cut.
onnx::ModelProto torchDenseNet(int64_t opset) {
  Writer net(opset, {3, 12, 12});
  Names features{net.conv(net.input(), 3, 8, 3)};
  int64_t channels = 8;
  const auto head = [&](const std::string& src, int64_t width) {
    return net.gemm(net.flatten(net.node("GlobalAveragePool", {src})), width);
  };
  for (int layer = 0; layer < 4; ++layer) {
    const std::string joined = features.size() == 1 ? features[0] : net.concat(features);
    const std::string inner = net.relu(net.batchNorm(joined, channels));
    features.push_back(net.conv(net.relu(net.batchNorm(net.conv(inner, channels, 12, 1), 12)), 12, 4, 3));
    channels += 4;
    if (layer == 1 || layer == 2) net.exit(head(net.relu(features.back()), 4));
  }
  const std::string narrow =
      net.conv(net.relu(net.batchNorm(net.concat(features), channels)), channels, 10, 1);
  net.exit(head(net.relu(net.pool("AveragePool", narrow, 2, 2)), 10));
  return net.finish();
}

/// Channel shuffle: five dimensions, which only OpenCV's engine has.
onnx::ModelProto torchShuffleNet(int64_t opset) {
  Writer net(opset, {3, 12, 12});
  const auto shuffle = [&](const std::string& src) {
    const std::string split = net.node("Reshape", {src, net.ints({-1, 2, 4, 6, 6})});
    return net.node("Reshape", {net.transpose(split, {0, 2, 1, 3, 4}), net.ints({-1, 8, 6, 6})});
  };
  std::string x = net.convRelu(net.input(), 3, 8, 3, 2);
  const std::string left = net.slice(x, 1, 0, 4), right = net.slice(x, 1, 4, 8);
  x = shuffle(net.concat({left, net.convRelu(right, 4, 4, 1)}));
  net.exit(net.gemm(net.flatten(net.node("GlobalAveragePool", {x})), 8));
  x = shuffle(net.convRelu(x, 8, 8, 3, 1, 2));
  net.exit(net.gemm(net.flatten(net.node("GlobalAveragePool", {x})), 8));
  return net.finish();
}

/// Parallel towers, padded and overlapping pools, dilated and grouped convolutions, LeakyReLU, ELU.
onnx::ModelProto torchInception(int64_t opset) {
  Writer net(opset, {3, 13, 11});
  const auto leaky = [&](const std::string& src) {
    const std::string output = net.node("LeakyRelu", {src});
    net.set("alpha", 0.1f);
    return output;
  };
  const auto head = [&](const std::string& src, int64_t values) {
    return net.gemm(net.node("Reshape", {src, net.ints({-1, values})}), values);
  };
  std::string x = leaky(net.conv(net.input(), 3, 8, 3, 1, 1, 1, true));
  x = net.pool("MaxPool", x, 3, 2, 1);
  net.exit(head(net.pool("AveragePool", x, 3, 3), 8 * 2 * 2));
  const std::string pooled = net.pool("AveragePool", x, 3, 1, 1);
  net.set("count_include_pad", int64_t{1});
  const std::string projected = net.conv(pooled, 8, 4, 1);
  const std::string wide = net.node("Elu", {net.conv(x, 8, 4, 3, 1, 2, 2)});
  x = leaky(net.concat({leaky(net.conv(x, 8, 4, 1)), wide, projected}));
  net.exit(head(net.node("GlobalMaxPool", {x}), 12));
  return net.finish();
}

/// Normalisation inside, one value a channel; a weight that two layers share through Identity; Tanh.
onnx::ModelProto torchNormalized(int64_t opset) {
  Writer net(opset, {3, 10, 10});
  const std::string mean = net.constant(graph::floatTensor("", {1, 3, 1, 1}, {0.485f, 0.456f, 0.406f}));
  const std::string deviation = net.constant(graph::floatTensor("", {3, 1, 1}, {0.229f, 0.224f, 0.225f}));
  std::string x = net.node("Div", {net.node("Sub", {net.input(), mean}), deviation});
  x = net.node("Tanh", {net.conv(x, 3, 6, 3)});
  const std::string shared = net.weight({6, 6, 3, 3}, 54);
  const auto layer = [&](const std::string& src, const std::string& weights) {
    const std::string output = net.node("Conv", {src, weights});
    net.set("pads", Shape{1, 1, 1, 1});
    return net.relu(output);
  };
  x = layer(x, shared);
  net.exit(net.gemm(net.flatten(net.pool("MaxPool", x, 5, 5)), 24));
  x = layer(x, net.node("Identity", {shared}));
  const std::string scores = net.gemm(net.flatten(net.pool("AveragePool", x, 5, 5)), 24);
  net.node("Identity", {scores});
  net.exit(net.as("logits"));
  return net.finish();
}

/// Squeeze and Unsqueeze around the classifiers; scores that are N x C x 1 x 1.
onnx::ModelProto torchSqueezeNet(int64_t opset) {
  Writer net(opset, {3, 12, 12});
  const auto fire = [&](const std::string& src, int64_t in) {
    const std::string narrow = net.relu(net.conv(src, in, 4, 1, 1, 1, 1, true));
    return net.concat({net.relu(net.conv(narrow, 4, 6, 1)), net.relu(net.conv(narrow, 4, 6, 3))});
  };
  std::string x = fire(net.pool("MaxPool", net.relu(net.conv(net.input(), 3, 8, 3)), 2, 2), 8);
  net.exit(net.gemm(net.squeeze(net.node("GlobalAveragePool", {x}), {2, 3}), 12));
  x = fire(x, 12);
  const std::string row = net.flatten(net.node("GlobalAveragePool", {x}));
  const std::string pixel = net.unsqueeze(row, {2, 3});
  net.exit(net.squeeze(net.conv(pixel, 12, kClasses, 1), {-1, -2}));
  x = net.relu(net.conv(x, 12, kClasses, 1, 1, 1, 1, true));
  net.exit(net.node("GlobalAveragePool", {x}), {kClasses, 1, 1});
  return net.finish();
}

/// Exits declared in another order than that of their depth; two that read the same features, and one that
/// reads two of them.
onnx::ModelProto torchExitsInAnyOrder(int64_t opset) {
  Writer net(opset, {3, 8, 8});
  const std::string first = net.convRelu(net.input(), 3, 6, 3);
  const std::string second = net.convRelu(first, 6, 8, 3, 2);
  const std::string third = net.convRelu(second, 8, 8, 3);
  const auto pooled = [&](const std::string& src) {
    return net.flatten(net.node("GlobalAveragePool", {src}));
  };
  net.exit(net.gemm(net.concat({pooled(first), pooled(second)}), 14));
  net.exit(net.gemm(pooled(first), 6));
  net.exit(net.gemm(pooled(second), 8));
  net.exit(net.gemm(net.concat({pooled(second), pooled(third)}), 16));
  return net.finish();
}

// ---- TensorFlow ----

/// tf2onnx: pictures with channels last, a Transpose around every layer, SAME padding, ReduceMean, Softmax.
onnx::ModelProto tensorFlow(int64_t opset) {
  Writer net(opset, {12, 12, 3});
  const std::string mean = net.tensor({3}, {0.5f, 0.4f, 0.6f}), scale = net.tensor({}, {2.0f});
  std::string x = net.node("Mul", {net.node("Sub", {net.input(), mean}), scale});
  const auto layer = [&](const std::string& src, int64_t in, int64_t out, int64_t stride) {
    const std::string inner = net.transpose(src, {0, 3, 1, 2});
    const std::string product = net.node("Conv", {inner, net.weight({out, in, 3, 3}, in * 9)});
    net.set("auto_pad", std::string("SAME_UPPER"));
    net.set("strides", Shape{stride, stride});
    const std::string back = net.transpose(product, {0, 2, 3, 1});
    return net.relu(net.node("Add", {back, net.tensor({out}, net.draw(out, -0.2, 0.2))}));
  };
  const auto softmax = [&](const std::string& src) {
    const std::string output = net.node("Softmax", {src});
    net.set("axis", net.opset() < 13 ? int64_t{1} : int64_t{-1});
    return output;
  };
  x = layer(x, 3, 8, 2);
  net.exit(softmax(net.matMulAdd(net.mean(x, {1, 2}, false), 8)));
  const std::string joined = net.concat({layer(x, 8, 8, 1), x}, 3);
  x = net.pad(joined, {0, 1, 1, 0, 0, 0, 0, 0});
  x = net.transpose(net.pool("MaxPool", net.transpose(x, {0, 3, 1, 2}), 2, 2), {0, 2, 3, 1});
  net.exit(softmax(net.matMulAdd(net.node("Reshape", {x, net.ints({-1, 3 * 3 * 16})}), 144)));
  return net.finish();
}

/// Keras: the only Transpose stands at the start, and the flattened picture is transposed back.
onnx::ModelProto keras(int64_t opset) {
  Writer net(opset, {10, 10, 1});
  std::string x = net.transpose(net.input(), {0, 3, 1, 2});
  const auto same = [&](const std::string& src, int64_t in, int64_t out) {
    const std::string output = net.node(
        "Conv", {src, net.weight({out, in, 3, 3}, in * 9), net.tensor({out}, net.draw(out, -0.2, 0.2))});
    net.set("auto_pad", std::string("SAME_UPPER"));
    net.set("kernel_shape", Shape{3, 3});
    return net.relu(output);
  };
  x = net.pool("MaxPool", same(x, 1, 6), 2, 2);
  const auto head = [&](const std::string& src, int64_t values) {
    const std::string row = net.node("Reshape", {net.transpose(src, {0, 2, 3, 1}), net.ints({-1, values})});
    return net.matMulAdd(row, values);
  };
  net.exit(head(x, 150));
  x = net.dropout(net.pool("MaxPool", same(x, 6, 8), 2, 2));
  net.exit(head(x, 32));
  return net.finish();
}

// ---- CNTK ----

/// Biases of C x 1 x 1, weights that are reshaped when the graph runs, SAME padding.
onnx::ModelProto cntk(int64_t opset) {
  Writer net(opset, {1, 14, 14});
  const auto layer = [&](const std::string& src, int64_t in, int64_t out) {
    const std::string product = net.node("Conv", {src, net.weight({out, in, 5, 5}, in * 25)});
    net.set("auto_pad", std::string("SAME_UPPER"));
    net.set("kernel_shape", Shape{5, 5});
    net.set("strides", Shape{1, 1});
    net.set("dilations", Shape{1, 1});
    net.set("group", int64_t{1});
    return net.relu(net.node("Add", {product, net.tensor({out, 1, 1}, net.draw(out, -0.2, 0.2))}));
  };
  const auto pool = [&](const std::string& src, int64_t size) {
    const std::string output = net.node("MaxPool", {src});
    net.set("auto_pad", std::string("NOTSET"));
    net.set("kernel_shape", Shape{size, size});
    net.set("strides", Shape{size, size});
    net.set("pads", Shape{0, 0, 0, 0});
    return output;
  };
  const auto head = [&](const std::string& src, int64_t channels, int64_t size) {
    const int64_t values = channels * size * size;
    const std::string row = net.node("Reshape", {src, net.ints({1, values})});
    const std::string weights = net.node(
        "Reshape", {net.weight({channels, size, size, kClasses}, values), net.ints({values, kClasses})});
    return net.node("Add", {net.node("MatMul", {row, weights}),
                            net.tensor({1, kClasses}, net.draw(kClasses, -0.2, 0.2))});
  };
  std::string x = pool(layer(net.input(), 1, 6), 2);
  net.exit(head(x, 6, 7));
  x = pool(layer(x, 6, 8), 3);
  net.exit(head(x, 8, 2));
  return net.finish();
}

}  // namespace

const std::vector<ForeignModel>& foreignModels() {
  static const std::vector<ForeignModel> models{
      {"TorchResNet", torchResNet},
      {"TorchMobileNetV2", torchMobileNetV2},
      {"TorchMobileNetV3", torchMobileNetV3},
      {"TorchEfficientNet", torchEfficientNet},
      {"TorchDenseNet", torchDenseNet},
      {"TorchShuffleNet", torchShuffleNet},
      {"TorchInception", torchInception},
      {"TorchNormalized", torchNormalized},
      {"TorchSqueezeNet", torchSqueezeNet},
      {"TorchExitsInAnyOrder", torchExitsInAnyOrder},
      {"TensorFlow", tensorFlow, true},
      {"Keras", keras, true},
      {"Cntk", cntk},
  };
  return models;
}

const std::vector<int64_t>& foreignOpsets() {
  static const std::vector<int64_t> opsets{7, 9, 10, 11, 12, 13, 14, 17};
  return opsets;
}

Tensor channelsLast(const Tensor& batch) {
  const int64_t channels = batch.shape[1], area = batch.shape[2] * batch.shape[3];
  Tensor result{{batch.shape[0], batch.shape[2], batch.shape[3], channels}, batch.values};
  for (int64_t n = 0; n < batch.shape[0]; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < area; ++i)
        result.values[static_cast<size_t>((n * area + i) * channels + c)] =
            batch.values[static_cast<size_t>((n * channels + c) * area + i)];
  return result;
}

}  // namespace rdi::test
