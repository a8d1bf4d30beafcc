// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/operators.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "trainer/fused_batch_norm.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;
using Ints = std::vector<int64_t>;

// A node with its context, and the messages that name it.
struct Node {
  const onnx::NodeProto& proto;
  const NodeContext& context;

  std::string label() const {
    const std::string name = proto.name().empty() && proto.output_size() > 0 ? proto.output(0) : proto.name();
    return text("operator ", proto.op_type(), " of node \"", name, "\"");
  }
  [[noreturn]] void fail(const std::string& what) const { throw Error(label() + ": " + what); }

  bool has(int input) const { return input < proto.input_size() && !proto.input(input).empty(); }

  std::vector<std::string> inputs(int least, int most) const {
    if (proto.input_size() < least || proto.input_size() > most)
      fail(text("found ", proto.input_size(), " inputs, expected ", least, " to ", most));
    std::vector<std::string> names(proto.input().begin(), proto.input().end());
    for (int i = 0; i < least; ++i)
      if (names[static_cast<size_t>(i)].empty()) fail(text("input ", i, " is missing"));
    names.resize(static_cast<size_t>(most));
    return names;
  }

  const onnx::TensorProto& constant(int input) const {
    const auto found = context.constants.find(proto.input(input));
    if (found == context.constants.end())
      fail(text("input ", input, " (", proto.input(input), ") must be a constant"));
    return *found->second;
  }
  Ints constantInts(int input) const { return graph::intValues(constant(input)); }
  float constantFloat(int input) const {
    const std::vector<float> values = graph::floatValues(constant(input));
    if (values.size() != 1) fail(text("input ", input, " holds ", values.size(), " values, expected one"));
    return values[0];
  }

  int64_t intAttribute(const char* name, int64_t fallback) const {
    return graph::intAttribute(proto, name, fallback);
  }
  float floatAttribute(const char* name, float fallback) const {
    return graph::floatAttribute(proto, name, fallback);
  }
  Ints intsAttribute(const char* name, const Ints& fallback) const {
    return graph::intsAttribute(proto, name, fallback);
  }
  // Values given as an attribute in older opsets and as a constant input in newer ones.
  Ints intsFromEither(const char* name, int input) const {
    return has(input) ? constantInts(input) : intsAttribute(name, {});
  }
};

CompiledNode unary(const Node& node, std::function<Tensor(const Tensor&)> function) {
  return {
      [function = std::move(function)](const Operands& in, const ForwardMode&) { return function(in[0]); },
      node.inputs(1, 1),
      {}};
}

CompiledNode binary(const Node& node, Tensor (*function)(const Tensor&, const Tensor&)) {
  return {[function](const Operands& in, const ForwardMode&) { return function(in[0], in[1]); },
          node.inputs(2, 2),
          {}};
}

// ---- Windows: convolution and pooling ----

struct Window {
  Ints kernel, strides, dilations;
  Ints pads;  // top, left, bottom, right; filled at run time when `same`
  enum class Same { no, upper, lower } same = Same::no;

  bool symmetric() const { return same == Same::no && pads[0] == pads[2] && pads[1] == pads[3]; }

  // Padding for this input in the order of torch's constant_pad_nd: left, right, top, bottom.
  Ints around(const Tensor& input) const {
    if (same == Same::no) return {pads[1], pads[3], pads[0], pads[2]};
    Ints result;
    for (int axis : {1, 0}) {
      const auto a = static_cast<size_t>(axis);
      const int64_t size = input.size(2 + axis);
      const int64_t outputSize = (size + strides[a] - 1) / strides[a];
      const int64_t reach = (kernel[a] - 1) * dilations[a] + 1;
      const int64_t total = std::max<int64_t>(0, (outputSize - 1) * strides[a] + reach - size);
      const int64_t less = total / 2;
      result.push_back(same == Same::upper ? less : total - less);
      result.push_back(same == Same::upper ? total - less : less);
    }
    return result;
  }
};

Window readWindow(const Node& node, Ints kernel) {
  Window window;
  window.kernel = node.intsAttribute("kernel_shape", kernel);
  if (window.kernel.size() != 2) node.fail(text("found a ", window.kernel.size(), "-D window, expected 2-D"));
  if (!kernel.empty() && kernel != window.kernel) node.fail("kernel_shape and the weights disagree");
  window.strides = node.intsAttribute("strides", {1, 1});
  window.dilations = node.intsAttribute("dilations", {1, 1});
  window.pads = node.intsAttribute("pads", {0, 0, 0, 0});
  if (window.strides.size() != 2 || window.dilations.size() != 2 || window.pads.size() != 4)
    node.fail("strides and dilations must have two values, pads four");
  const std::string autoPad = graph::stringAttribute(node.proto, "auto_pad", "NOTSET");
  if (autoPad == "SAME_UPPER") window.same = Window::Same::upper;
  if (autoPad == "SAME_LOWER") window.same = Window::Same::lower;
  if (autoPad == "VALID") window.pads = {0, 0, 0, 0};
  return window;
}

CompiledNode compileConv(const Node& node) {
  CompiledNode compiled;
  compiled.operands = node.inputs(2, 3);
  const auto weights = node.context.constants.find(node.proto.input(1));
  Ints kernel;
  if (weights != node.context.constants.end()) {
    if (weights->second->dims_size() != 4)
      node.fail(text("found weights of ", weights->second->dims_size(), " dimensions, expected 4"));
    kernel = {weights->second->dims(2), weights->second->dims(3)};
  }
  const Window window = readWindow(node, kernel);
  const int64_t groups = node.intAttribute("group", 1);
  if (window.symmetric()) {
    const Ints padding = {window.pads[0], window.pads[1]};
    compiled.operation = [window, padding, groups](const Operands& in, const ForwardMode&) {
      return torch::conv2d(in[0], in[1], in[2], window.strides, padding, window.dilations, groups);
    };
  } else {
    compiled.operation = [window, groups](const Operands& in, const ForwardMode&) {
      const Tensor padded = torch::constant_pad_nd(in[0], window.around(in[0]), 0);
      return torch::conv2d(padded, in[1], in[2], window.strides, Ints{0, 0}, window.dilations, groups);
    };
  }
  return compiled;
}

CompiledNode compileMaxPool(const Node& node) {
  const Window window = readWindow(node, {});
  const bool ceil = node.intAttribute("ceil_mode", 0) != 0;
  const bool direct = window.symmetric();
  const Ints padding = direct ? Ints{window.pads[0], window.pads[1]} : Ints{0, 0};
  return unary(node, [=](const Tensor& x) {
    const Tensor input =
        direct ? x : torch::constant_pad_nd(x, window.around(x), -std::numeric_limits<float>::infinity());
    return torch::max_pool2d(input, window.kernel, window.strides, padding, window.dilations, ceil);
  });
}

CompiledNode compileAveragePool(const Node& node) {
  const Window window = readWindow(node, {});
  if (window.dilations != Ints{1, 1}) node.fail("dilations are not supported");
  const bool ceil = node.intAttribute("ceil_mode", 0) != 0;
  const bool countPads = node.intAttribute("count_include_pad", 0) != 0;
  if (window.symmetric()) {
    const Ints padding = {window.pads[0], window.pads[1]};
    return unary(node, [=](const Tensor& x) {
      return torch::avg_pool2d(x, window.kernel, window.strides, padding, ceil, countPads);
    });
  }
  return unary(node, [=](const Tensor& x) {
    const Ints around = window.around(x);
    const Tensor mean =
        torch::avg_pool2d(torch::constant_pad_nd(x, around, 0), window.kernel, window.strides, {0, 0}, ceil);
    if (countPads) return mean;
    const Tensor inside =
        torch::constant_pad_nd(torch::ones_like(x.slice(0, 0, 1).slice(1, 0, 1)), around, 0);
    return mean / torch::avg_pool2d(inside, window.kernel, window.strides, {0, 0}, ceil);
  });
}

CompiledNode compileGlobalAveragePool(const Node& node) {
  return unary(node, [](const Tensor& x) { return torch::mean(x, {2, 3}, /*keepdim=*/true); });
}

// ---- Matrices ----

CompiledNode compileGemm(const Node& node) {
  const float alpha = node.floatAttribute("alpha", 1), beta = node.floatAttribute("beta", 1);
  const bool transA = node.intAttribute("transA", 0) != 0, transB = node.intAttribute("transB", 0) != 0;
  CompiledNode compiled;
  compiled.operands = node.inputs(2, 3);
  compiled.operation = [=](const Operands& in, const ForwardMode&) {
    const Tensor a = transA ? in[0].t() : in[0];
    if (transB && alpha == 1 && beta == 1 && (!in[2].defined() || in[2].dim() == 1))
      return torch::linear(a, in[1], in[2]);
    const Tensor b = transB ? in[1].t() : in[1];
    if (in[2].defined()) return torch::addmm(in[2], a, b, beta, alpha);
    const Tensor product = torch::mm(a, b);
    return alpha == 1 ? product : product * alpha;
  };
  return compiled;
}

// ---- Normalisation and regularisation ----

CompiledNode compileDropout(const Node& node) {
  CompiledNode compiled;
  node.inputs(1, 3);
  const double ratio = node.has(1) ? node.constantFloat(1) : node.floatAttribute("ratio", 0.5F);
  if (!(ratio >= 0 && ratio < 1)) node.fail(text("found ratio ", ratio, ", expected 0 <= ratio < 1"));
  compiled.operands = {node.proto.input(0)};
  compiled.operation = [ratio](const Operands& in, const ForwardMode& mode) {
    if (!mode.dropout || ratio == 0) return in[0];
    if (mode.group == nullptr) return torch::dropout(in[0], ratio, /*train=*/true);
    const RowGenerator generator(at::globalContext().defaultGenerator(in[0].device()), mode.part);
    return in[0] * generator.bernoulli(in[0].detach(), 1 - ratio).div_(1 - ratio);
  };
  return compiled;
}

// ---- Activations ----

struct Limits {
  float low, high;
};

Limits clipLimits(const Node& node) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  node.inputs(1, 3);
  return {node.has(1) ? node.constantFloat(1) : node.floatAttribute("min", -kInfinity),
          node.has(2) ? node.constantFloat(2) : node.floatAttribute("max", kInfinity)};
}

CompiledNode compileClip(const Node& node) {
  const auto [low, high] = clipLimits(node);
  CompiledNode compiled;
  compiled.operands = {node.proto.input(0)};
  compiled.operation = [low = low, high = high](const Operands& in, const ForwardMode&) {
    return torch::clamp(in[0], low, high);
  };
  return compiled;
}

CompiledNode compileChain(const Node& norm, const std::string& shortcut, const onnx::NodeProto* activation) {
  if (norm.intAttribute("spatial", 1) != 1) norm.fail("spatial must be 1");
  BatchNormChain chain;
  chain.epsilon = norm.floatAttribute("epsilon", 1e-5F);
  chain.momentum = 1.0 - norm.floatAttribute("momentum", 0.9F);  // torch weighs the batch, ONNX the past
  if (activation != nullptr && activation->op_type() == "Relu") {
    chain.low = 0;
  } else if (activation != nullptr) {
    const Limits limits = clipLimits({*activation, norm.context});
    chain.low = limits.low;
    chain.high = limits.high;
  }
  CompiledNode compiled;
  compiled.operands = norm.inputs(5, 5);
  compiled.statistics = {norm.proto.input(3), norm.proto.input(4)};
  compiled.operands.push_back(shortcut);
  compiled.operation = [chain](const Operands& in, const ForwardMode& mode) {
    return batchNormChain({in[0], in[1], in[2], in[3], in[4], in[5]}, chain, mode);
  };
  return compiled;
}

CompiledNode compileBatchNormalization(const Node& node) { return compileChain(node, "", nullptr); }

CompiledNode compileLeakyRelu(const Node& node) {
  const float alpha = node.floatAttribute("alpha", 0.01F);
  return unary(node, [alpha](const Tensor& x) { return torch::leaky_relu(x, alpha); });
}

CompiledNode compileElu(const Node& node) {
  const float alpha = node.floatAttribute("alpha", 1.0F);
  return unary(node, [alpha](const Tensor& x) { return torch::elu(x, alpha); });
}

CompiledNode compileHardSigmoid(const Node& node) {
  const float alpha = node.floatAttribute("alpha", 0.2F), beta = node.floatAttribute("beta", 0.5F);
  return unary(node, [=](const Tensor& x) { return torch::clamp(x * alpha + beta, 0, 1); });
}

CompiledNode compileSoftmax(const Node& node) {
  const bool logarithm = node.proto.op_type() == "LogSoftmax";
  const auto apply = [logarithm](const Tensor& x, int64_t axis) {
    return logarithm ? torch::log_softmax(x, axis) : torch::softmax(x, axis);
  };
  if (node.context.opset >= 13) {
    const int64_t axis = node.intAttribute("axis", -1);
    return unary(node, [=](const Tensor& x) { return apply(x, axis); });
  }
  const int64_t axis = node.intAttribute("axis", 1);  // before opset 13: over all dimensions from axis on
  return unary(node, [=](const Tensor& x) { return apply(x.flatten(axis), -1).view_as(x); });
}

// ---- Shapes ----

CompiledNode compileFlatten(const Node& node) {
  const int64_t axis = node.intAttribute("axis", 1);
  return unary(node, [axis](const Tensor& x) {
    const int64_t split = axis < 0 ? axis + x.dim() : axis;
    if (split == 1) return x.flatten(1);
    int64_t rows = 1;
    for (int64_t d = 0; d < split; ++d) rows *= x.size(d);
    return x.reshape({rows, x.numel() / std::max<int64_t>(rows, 1)});
  });
}

CompiledNode compileReshape(const Node& node) {
  node.inputs(2, 2);
  const Ints target = node.constantInts(1);
  if (node.intAttribute("allowzero", 0) != 0) node.fail("allowzero is not supported");
  // A file exported with a fixed batch writes that number where the batch stands.
  const int64_t batch = node.context.declaredBatch;
  const bool keepsBatch = !target.empty() && batch > 0 && target[0] == batch;
  CompiledNode compiled;
  compiled.operands = {node.proto.input(0)};
  compiled.operation = [=](const Operands& in, const ForwardMode&) {
    Ints shape = target;
    for (size_t d = 0; d < shape.size(); ++d)
      if (shape[d] == 0) shape[d] = in[0].size(static_cast<int64_t>(d));
    if (keepsBatch) shape[0] = in[0].size(0);
    return in[0].reshape(shape);
  };
  return compiled;
}

CompiledNode compileTranspose(const Node& node) {
  const Ints order = node.intsAttribute("perm", {});
  return unary(node, [order](const Tensor& x) {
    if (!order.empty()) return x.permute(order);
    Ints reversed;
    for (int64_t d = x.dim() - 1; d >= 0; --d) reversed.push_back(d);
    return x.permute(reversed);
  });
}

CompiledNode compileReduceMean(const Node& node) {
  node.inputs(1, 2);
  const Ints axes = node.intsFromEither("axes", 1);
  const bool keepDims = node.intAttribute("keepdims", 1) != 0;
  if (axes.empty() && node.intAttribute("noop_with_empty_axes", 0) != 0)
    node.fail("noop_with_empty_axes is not supported");
  CompiledNode compiled;
  compiled.operands = {node.proto.input(0)};
  compiled.operation = [=](const Operands& in, const ForwardMode&) {
    Ints over = axes;
    if (over.empty())
      for (int64_t d = 0; d < in[0].dim(); ++d) over.push_back(d);
    return torch::mean(in[0], over, keepDims);
  };
  return compiled;
}

/// Constant padding; negative pads cut.
CompiledNode compilePad(const Node& node) {
  node.inputs(1, 3);
  const std::string mode = graph::stringAttribute(node.proto, "mode", "constant");
  if (mode != "constant") node.fail(text("mode ", mode, " is not supported, only constant"));
  const Ints pads = node.intsFromEither("pads", 1);
  const float value = node.has(2) ? node.constantFloat(2) : node.floatAttribute("value", 0);
  if (pads.size() % 2 != 0) node.fail(text("found ", pads.size(), " pads, expected two a dimension"));
  const size_t rank = pads.size() / 2;
  Ints around;  // in torch's order: the last dimension first, begin and end side by side
  for (size_t d = rank; d-- > 0;) {
    around.push_back(pads[d]);
    around.push_back(pads[rank + d]);
  }
  CompiledNode compiled;
  compiled.operands = {node.proto.input(0)};
  compiled.operation = [=](const Operands& in, const ForwardMode&) {
    return torch::constant_pad_nd(in[0], around, value);
  };
  return compiled;
}

CompiledNode compileSlice(const Node& node) {
  node.inputs(1, 5);
  const Ints starts = node.intsFromEither("starts", 1), ends = node.intsFromEither("ends", 2);
  Ints axes = node.intsFromEither("axes", 3), steps = node.intsFromEither("steps", 4);
  if (axes.empty())
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  steps.resize(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size())
    node.fail("starts, ends and axes must be of one length");
  for (int64_t step : steps)
    if (step < 1) node.fail(text("a step of ", step, " is not supported, only forward ones"));
  CompiledNode compiled;
  compiled.operands = {node.proto.input(0)};
  compiled.operation = [=](const Operands& in, const ForwardMode&) {
    Tensor x = in[0];
    for (size_t i = 0; i < starts.size(); ++i) x = x.slice(axes[i], starts[i], ends[i], steps[i]);
    return x;
  };
  return compiled;
}

CompiledNode compileConcat(const Node& node) {
  const int64_t axis = node.intAttribute("axis", 1);
  CompiledNode compiled;
  compiled.operands = node.inputs(1, std::max(1, node.proto.input_size()));
  compiled.operation = [axis](const Operands& in, const ForwardMode&) {
    std::vector<Tensor> parts;
    for (size_t i = 0; i < in.size(); ++i) parts.push_back(in[i]);
    return torch::cat(parts, axis);
  };
  return compiled;
}

CompiledNode compileAdd(const Node& node) {
  return binary(node, [](const Tensor& a, const Tensor& b) { return a + b; });
}
CompiledNode compileSub(const Node& node) {
  return binary(node, [](const Tensor& a, const Tensor& b) { return a - b; });
}
CompiledNode compileMul(const Node& node) {
  return binary(node, [](const Tensor& a, const Tensor& b) { return a * b; });
}
CompiledNode compileDiv(const Node& node) {
  return binary(node, [](const Tensor& a, const Tensor& b) { return a / b; });
}
CompiledNode compileMatMul(const Node& node) {
  return binary(node, [](const Tensor& a, const Tensor& b) { return torch::matmul(a, b); });
}
CompiledNode compileIdentity(const Node& node) {
  return unary(node, [](const Tensor& x) { return x; });
}
CompiledNode compileRelu(const Node& node) {
  return unary(node, [](const Tensor& x) { return torch::relu(x); });
}
CompiledNode compileSigmoid(const Node& node) {
  return unary(node, [](const Tensor& x) { return torch::sigmoid(x); });
}
CompiledNode compileTanh(const Node& node) {
  return unary(node, [](const Tensor& x) { return torch::tanh(x); });
}
CompiledNode compileHardSwish(const Node& node) {
  return unary(node, [](const Tensor& x) { return torch::hardswish(x); });
}

using Compiler = CompiledNode (*)(const Node&);

const std::map<std::string, Compiler>& compilers() {
  static const std::map<std::string, Compiler> table = {
      {"Add", compileAdd},
      {"AveragePool", compileAveragePool},
      {"BatchNormalization", compileBatchNormalization},
      {"Clip", compileClip},
      {"Concat", compileConcat},
      {"Conv", compileConv},
      {"Div", compileDiv},
      {"Dropout", compileDropout},
      {"Elu", compileElu},
      {"Flatten", compileFlatten},
      {"Gemm", compileGemm},
      {"GlobalAveragePool", compileGlobalAveragePool},
      {"HardSigmoid", compileHardSigmoid},
      {"HardSwish", compileHardSwish},
      {"Identity", compileIdentity},
      {"LeakyRelu", compileLeakyRelu},
      {"LogSoftmax", compileSoftmax},
      {"MatMul", compileMatMul},
      {"MaxPool", compileMaxPool},
      {"Mul", compileMul},
      {"Pad", compilePad},
      {"ReduceMean", compileReduceMean},
      {"Relu", compileRelu},
      {"Reshape", compileReshape},
      {"Sigmoid", compileSigmoid},
      {"Slice", compileSlice},
      {"Softmax", compileSoftmax},
      {"Sub", compileSub},
      {"Tanh", compileTanh},
      {"Transpose", compileTranspose},
  };
  return table;
}

}  // namespace

std::vector<std::string> knownOperators() {
  std::vector<std::string> names;
  for (const auto& [name, compiler] : compilers()) names.push_back(name);
  return names;
}

CompiledNode compileNode(const onnx::NodeProto& proto, const NodeContext& context) {
  const Node node{proto, context};
  const auto found = compilers().find(proto.op_type());
  if (found == compilers().end() || !(proto.domain().empty() || proto.domain() == "ai.onnx")) {
    std::string known;
    for (const std::string& name : knownOperators()) known += (known.empty() ? "" : ", ") + name;
    node.fail("the trainer does not know it; it knows " + known);
  }
  return found->second(node);
}

CompiledNode compileNormChain(const NormChain& chain, const NodeContext& context) {
  return compileChain({*chain.norm, context}, chain.shortcut, chain.activation);
}

}  // namespace rdi::train
