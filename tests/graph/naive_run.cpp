// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/graph/naive_run.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/zoo/random.hpp"

namespace rdi::test {
namespace {

using graph::Shape;
using onnx::NodeProto;
using Inputs = std::vector<const Tensor*>;

int64_t count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

Tensor zeros(const Shape& shape) { return {shape, std::vector<double>(static_cast<size_t>(count(shape)))}; }

Tensor conv(const NodeProto& node, const Inputs& in) {
  const Tensor &x = *in[0], &w = *in[1];
  const auto strides = graph::intsAttribute(node, "strides", {1, 1});
  const auto pads = graph::intsAttribute(node, "pads", {0, 0, 0, 0});
  const int64_t groups = graph::intAttribute(node, "group", 1);
  const int64_t height = x.shape[2], width = x.shape[3], kh = w.shape[2], kw = w.shape[3];
  const int64_t outH = (height + pads[0] + pads[2] - kh) / strides[0] + 1;
  const int64_t outW = (width + pads[1] + pads[3] - kw) / strides[1] + 1;
  Tensor y = zeros({x.shape[0], w.shape[0], outH, outW});
  const int64_t inPerGroup = w.shape[1], outPerGroup = w.shape[0] / groups;
  for (int64_t n = 0; n < y.shape[0]; ++n)
    for (int64_t o = 0; o < y.shape[1]; ++o) {
      double* plane = &y.values[static_cast<size_t>((n * y.shape[1] + o) * outH * outW)];
      std::fill(plane, plane + outH * outW, in.size() > 2 ? in[2]->values[static_cast<size_t>(o)] : 0.0);
      for (int64_t i = 0; i < inPerGroup; ++i)
        for (int64_t a = 0; a < kh; ++a)
          for (int64_t b = 0; b < kw; ++b) {
            const double weight = w.values[static_cast<size_t>(((o * inPerGroup + i) * kh + a) * kw + b)];
            const int64_t channel = o / outPerGroup * inPerGroup + i;
            const double* src = &x.values[static_cast<size_t>((n * x.shape[1] + channel) * height * width)];
            for (int64_t r = 0; r < outH; ++r) {
              const int64_t row = r * strides[0] + a - pads[0];
              if (row < 0 || row >= height) continue;
              for (int64_t c = 0; c < outW; ++c) {
                const int64_t column = c * strides[1] + b - pads[1];
                if (column >= 0 && column < width) plane[r * outW + c] += weight * src[row * width + column];
              }
            }
          }
    }
  return y;
}

Tensor batchNorm(const NodeProto& node, const Inputs& in) {
  Tensor y = *in[0];
  const double epsilon = graph::floatAttribute(node, "epsilon", 1e-5f);
  const auto channels = static_cast<size_t>(y.shape[1]);
  const auto area = static_cast<size_t>(count(y.shape) / (y.shape[0] * y.shape[1]));
  for (size_t i = 0; i < y.values.size(); ++i) {
    const size_t c = i / area % channels;
    y.values[i] =
        (y.values[i] - in[3]->values[c]) / std::sqrt(in[4]->values[c] + epsilon) * in[1]->values[c] +
        in[2]->values[c];
  }
  return y;
}

Tensor pool(const NodeProto& node, const Inputs& in) {
  const Tensor& x = *in[0];
  const bool global = node.op_type() == "GlobalAveragePool", max = node.op_type() == "MaxPool";
  const Shape window =
      global ? Shape{x.shape[2], x.shape[3]} : graph::intsAttribute(node, "kernel_shape", {});
  const Shape strides = global ? window : graph::intsAttribute(node, "strides", {1, 1});
  Tensor y = zeros({x.shape[0], x.shape[1], (x.shape[2] - window[0]) / strides[0] + 1,
                    (x.shape[3] - window[1]) / strides[1] + 1});
  size_t i = 0;
  for (int64_t plane = 0; plane < x.shape[0] * x.shape[1]; ++plane)
    for (int64_t r = 0; r < y.shape[2]; ++r)
      for (int64_t c = 0; c < y.shape[3]; ++c, ++i) {
        double sum = 0, largest = -std::numeric_limits<double>::infinity();
        for (int64_t a = 0; a < window[0]; ++a)
          for (int64_t b = 0; b < window[1]; ++b) {
            const int64_t at = (plane * x.shape[2] + r * strides[0] + a) * x.shape[3] + c * strides[1] + b;
            sum += x.values[static_cast<size_t>(at)];
            largest = std::max(largest, x.values[static_cast<size_t>(at)]);
          }
        y.values[i] = max ? largest : sum / static_cast<double>(window[0] * window[1]);
      }
  return y;
}

/// Gemm (alpha = beta = 1, first operand not transposed) and MatMul.
Tensor linear(const NodeProto& node, const Inputs& in) {
  const Tensor &x = *in[0], &w = *in[1];
  const bool transposed = graph::intAttribute(node, "transB", 0) != 0;
  const int64_t inner = x.shape[1], columns = w.shape[transposed ? 0 : 1];
  Tensor y = zeros({x.shape[0], columns});
  for (int64_t r = 0; r < x.shape[0]; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      double sum =
          in.size() > 2 ? in[2]->values[in[2]->values.size() == 1 ? 0 : static_cast<size_t>(c)] : 0.0;
      for (int64_t k = 0; k < inner; ++k)
        sum += x.values[static_cast<size_t>(r * inner + k)] *
               w.values[static_cast<size_t>(transposed ? c * inner + k : k * columns + c)];
      y.values[static_cast<size_t>(r * columns + c)] = sum;
    }
  return y;
}

/// Element by element, with the broadcasting of numpy.
Tensor binary(const NodeProto& node, const Inputs& in) {
  const auto& op = node.op_type();
  const Tensor &x = *in[0], &y = *in[1];
  const size_t rank = std::max(x.shape.size(), y.shape.size());
  const auto extent = [&](const Tensor& tensor, size_t axis) {
    const size_t missing = rank - tensor.shape.size();
    return axis < missing ? int64_t{1} : tensor.shape[axis - missing];
  };
  Shape shape;
  for (size_t axis = 0; axis < rank; ++axis) shape.push_back(std::max(extent(x, axis), extent(y, axis)));
  Tensor result = zeros(shape);
  for (size_t i = 0; i < result.values.size(); ++i) {
    size_t left = i, at[2] = {0, 0}, step[2] = {1, 1};
    for (size_t axis = rank; axis-- > 0;) {
      const size_t position = left % static_cast<size_t>(shape[axis]);
      left /= static_cast<size_t>(shape[axis]);
      for (const size_t side : {0, 1}) {
        const auto size = static_cast<size_t>(extent(side ? y : x, axis));
        at[side] += size == 1 ? 0 : position * step[side];
        step[side] *= size;
      }
    }
    const double a = x.values[at[0]], b = y.values[at[1]];
    result.values[i] = op == "Add" ? a + b : op == "Sub" ? a - b : op == "Mul" ? a * b : a / b;
  }
  return result;
}

/// Zeros around; no other mode.
Tensor pad(const NodeProto&, const Inputs& in) {
  const Tensor &x = *in[0], &pads = *in[1];
  const size_t rank = x.shape.size();
  Shape shape = x.shape;
  for (size_t axis = 0; axis < rank; ++axis)
    shape[axis] += static_cast<int64_t>(pads.values[axis] + pads.values[rank + axis]);
  Tensor y = zeros(shape);
  for (size_t i = 0; i < x.values.size(); ++i) {
    size_t left = i, at = 0, step = 1;
    for (size_t axis = rank; axis-- > 0;) {
      const auto size = static_cast<size_t>(x.shape[axis]);
      at += (left % size + static_cast<size_t>(pads.values[axis])) * step;
      left /= size;
      step *= static_cast<size_t>(shape[axis]);
    }
    y.values[at] = x.values[i];
  }
  return y;
}

Tensor concatChannels(const NodeProto&, const Inputs& in) {
  Shape shape = in[0]->shape;
  shape[1] = 0;
  for (const Tensor* part : in) shape[1] += part->shape[1];
  Tensor y{shape, {}};
  for (int64_t n = 0; n < shape[0]; ++n)
    for (const Tensor* part : in) {
      const int64_t row = count(part->shape) / shape[0];
      y.values.insert(y.values.end(), part->values.begin() + n * row, part->values.begin() + (n + 1) * row);
    }
  return y;
}

Tensor run(const NodeProto& node, const Inputs& in) {
  const auto& op = node.op_type();
  if (op == "Conv") return conv(node, in);
  if (op == "BatchNormalization") return batchNorm(node, in);
  if (op == "MaxPool" || op == "AveragePool" || op == "GlobalAveragePool") return pool(node, in);
  if (op == "Gemm" || op == "MatMul") return linear(node, in);
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") return binary(node, in);
  if (op == "Pad") return pad(node, in);
  if (op == "Concat") return concatChannels(node, in);
  Tensor y = *in.at(0);
  if (op == "Identity" || op == "Dropout") return y;
  if (op == "Relu") {
    for (auto& value : y.values) value = std::max(value, 0.0);
    return y;
  }
  if (op == "Flatten") {
    y.shape = {y.shape[0], count(y.shape) / y.shape[0]};
    return y;
  }
  throw Error("runNaively does not know " + op);
}

Tensor fromProto(const onnx::TensorProto& proto) {
  Tensor tensor{{proto.dims().begin(), proto.dims().end()}, {}};
  const auto keep = [&](const auto& values) { tensor.values.assign(values.begin(), values.end()); };
  if (proto.data_type() == onnx::TensorProto::INT64)
    keep(graph::intValues(proto));
  else
    keep(graph::floatValues(proto));
  return tensor;
}

}  // namespace

std::map<std::string, Tensor> runNaively(const onnx::ModelProto& model, const Tensor& input) {
  return runNaively(model, {{graph::inputName(model), input}});
}

std::map<std::string, Tensor> runNaively(const onnx::ModelProto& model,
                                         const std::map<std::string, Tensor>& inputs) {
  std::map<std::string, Tensor> tensors = inputs;
  for (const auto& initializer : model.graph().initializer())
    if (initializer.data_type() == onnx::TensorProto::FLOAT ||
        initializer.data_type() == onnx::TensorProto::INT64)
      tensors[initializer.name()] = fromProto(initializer);
  for (const auto& node : model.graph().node()) {
    if (node.op_type() == "Constant") {
      tensors[node.output(0)] = fromProto(graph::findAttribute(node, "value")->t());
      continue;
    }
    Inputs operands;
    for (const auto& name : node.input()) operands.push_back(&tensors.at(name));
    tensors[node.output(0)] = run(node, operands);
  }
  return tensors;
}

Tensor randomInput(const Shape& shape, uint64_t seed) {
  zoo::Random random(seed);
  Tensor tensor = zeros(shape);
  for (auto& value : tensor.values) value = static_cast<float>(random.uniform(0, 1));
  return tensor;
}

void randomizeWeights(onnx::ModelProto& model, uint64_t seed) {
  zoo::Random random(seed);
  for (auto& initializer : *model.mutable_graph()->mutable_initializer()) {
    if (initializer.data_type() != onnx::TensorProto::FLOAT) continue;
    const Shape dims(initializer.dims().begin(), initializer.dims().end());
    std::vector<float> values(static_cast<size_t>(count(dims)));
    const double bound =
        dims.size() > 1 ? std::sqrt(6.0 * static_cast<double>(dims[0]) / static_cast<double>(count(dims)))
                        : 0;
    for (auto& value : values)
      value = static_cast<float>(dims.size() > 1 ? random.uniform(-bound, bound) : random.uniform(0.3, 1.0));
    initializer = graph::floatTensor(initializer.name(), dims, values);
  }
}

double relativeDifference(const Tensor& a, const Tensor& b) {
  if (a.shape != b.shape || a.values.size() != b.values.size())
    return std::numeric_limits<double>::infinity();
  double largest = 1e-6, difference = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (!std::isfinite(a.values[i]) || !std::isfinite(b.values[i]))
      return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(a.values[i]));
    difference = std::max(difference, std::abs(a.values[i] - b.values[i]));
  }
  return difference / largest;
}

}  // namespace rdi::test
