// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/float_run.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "graph/attributes.hpp"
#include "graph/box.hpp"
#include "graph/engine_support.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/window.hpp"

namespace rdi::graph {
namespace {

using Values = std::vector<float>;

size_t elementCount(const Shape& shape) {
  size_t count = 1;
  for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
  return count;
}

/// Where a window lies on one axis of the source.
struct Taps {
  int64_t begin, end;  // positions in the window that hit the source
  int64_t first;       // source index of position 0
};

Taps tapsOf(const Window& window, size_t axis, int64_t position, int64_t size) {
  Taps taps{0, window.kernel[axis], position * window.strides[axis] - window.padsBegin[axis]};
  const int64_t step = window.dilations[axis];
  while (taps.begin < taps.end && taps.first + taps.begin * step < 0) ++taps.begin;
  while (taps.end > taps.begin && taps.first + (taps.end - 1) * step >= size) --taps.end;
  return taps;
}

class Runner {
public:
  explicit Runner(const onnx::ModelProto& model) : graph_(model.graph()), facts_(model, inferShapes(model)) {
    for (const onnx::NodeProto& node : graph_.node()) {
      const std::string reason = whyNotOneDnn(node, facts_);
      if (!reason.empty()) throw Error(text("the model cannot be run without an engine: ", reason));
    }
    for (const auto& [name, tensor] : facts_.constants)
      if (tensor->data_type() == onnx::TensorProto::FLOAT) values_[name] = floatValues(*tensor);
  }

  void run(const std::string& input, const Values& picture, const TensorVisitor& visit) {
    if (picture.size() != elementCount(facts_.shape(input)))
      throw Error(
          text("a picture has ", picture.size(), " values, the model wants ", toString(facts_.shape(input))));
    values_[input] = picture;
    visit(input, picture);
    for (const onnx::NodeProto& node : graph_.node()) {
      Values& result = values_[node.output(0)];
      result = compute(node);
      visit(node.output(0), result);
    }
  }

private:
  Values compute(const onnx::NodeProto& node) const {
    switch (engineOperator(node)) {
      case EngineOperator::convolution:
        return convolution(node);
      case EngineOperator::affine:
        return affine(node);
      case EngineOperator::channelScale:
        return channelScale(node);
      case EngineOperator::maxPool:
        return pool(node, true);
      case EngineOperator::averagePool:
        return pool(node, false);
      case EngineOperator::mean:
        return mean(node);
      case EngineOperator::activation:
        return activation(node);
      case EngineOperator::binary:
        return binary(node);
      case EngineOperator::concat:
        return concat(node);
      case EngineOperator::softmax:
        return softmax(node);
      case EngineOperator::excerpt:
        return excerpt(node);
      case EngineOperator::flatten:
        return source(node);
    }
    throw Error("unknown operator");
  }

  const Values& source(const onnx::NodeProto& node, int input = 0) const {
    return values_.at(node.input(input));
  }
  bool has(const onnx::NodeProto& node, int input) const {
    return input < node.input_size() && !node.input(input).empty();
  }
  Shape shape(const onnx::NodeProto& node, int input = 0) const { return facts_.shape(node.input(input)); }
  Shape resultShape(const onnx::NodeProto& node) const { return facts_.shape(node.output(0)); }

  Values convolution(const onnx::NodeProto& node) const {
    const Shape from = shape(node), to = resultShape(node), kernel = shape(node, 1);
    const Window window = windowOf(node, from, to, {kernel[2], kernel[3]});
    const int64_t outPerGroup = kernel[0] / intAttribute(node, "group", 1), inPerGroup = kernel[1];
    const int64_t height = from[2], width = from[3], toHeight = to[2], toWidth = to[3];
    const Values &x = source(node), &weights = source(node, 1);
    Values y(elementCount(to));
    const float* weight = weights.data();
    for (int64_t out = 0; out < kernel[0]; ++out) {
      float* const plane = y.data() + out * toHeight * toWidth;
      std::fill(plane, plane + toHeight * toWidth,
                has(node, 2) ? source(node, 2)[static_cast<size_t>(out)] : 0.0f);
      for (int64_t in = 0; in < inPerGroup; ++in) {
        const float* const channel = x.data() + (out / outPerGroup * inPerGroup + in) * height * width;
        for (int64_t a = 0; a < kernel[2]; ++a)
          for (int64_t b = 0; b < kernel[3]; ++b, ++weight)
            addShifted(*weight, channel, {height, width}, window, {a, b}, plane, {toHeight, toWidth});
      }
    }
    return y;
  }

  /// plane(r, c) += weight * channel(r * stride + tap, ...) wherever that lies inside.
  static void addShifted(float weight, const float* channel, const std::array<int64_t, 2>& size,
                         const Window& window, const std::array<int64_t, 2>& tap, float* plane,
                         const std::array<int64_t, 2>& planeSize) {
    int64_t begin[2], end[2], offset[2];
    for (size_t axis = 0; axis < 2; ++axis) {
      const int64_t stride = window.strides[axis];
      offset[axis] = tap[axis] * window.dilations[axis] - window.padsBegin[axis];
      begin[axis] = offset[axis] >= 0 ? 0 : (-offset[axis] + stride - 1) / stride;
      const int64_t room = size[axis] - 1 - offset[axis];
      end[axis] = room < 0 ? 0 : std::min(planeSize[axis], room / stride + 1);
    }
    const int64_t stride = window.strides[1];
    for (int64_t r = begin[0]; r < end[0]; ++r) {
      const float* const from = channel + (r * window.strides[0] + offset[0]) * size[1] + offset[1];
      float* const to = plane + r * planeSize[1];
      if (stride == 1)
        for (int64_t c = begin[1]; c < end[1]; ++c) to[c] += weight * from[c];
      else
        for (int64_t c = begin[1]; c < end[1]; ++c) to[c] += weight * from[c * stride];
    }
  }

  Values affine(const onnx::NodeProto& node) const {
    const bool gemm = node.op_type() == "Gemm";
    const bool transposed = gemm && intAttribute(node, "transB", 0) != 0;
    const Shape dims = shape(node, 1);
    const auto in = static_cast<size_t>(dims[transposed ? 1 : 0]),
               out = static_cast<size_t>(dims[transposed ? 0 : 1]);
    const double alpha = gemm ? floatAttribute(node, "alpha", 1) : 1,
                 beta = gemm ? floatAttribute(node, "beta", 1) : 1;
    const Values &x = source(node), &weights = source(node, 1);
    Values y(out);
    for (size_t o = 0; o < out; ++o) {
      double sum = 0;
      for (size_t i = 0; i < in; ++i) sum += x[i] * weights[transposed ? o * in + i : i * out + o];
      y[o] = static_cast<float>(alpha * sum);
      if (!gemm || !has(node, 2)) continue;
      const Values& bias = source(node, 2);
      y[o] += static_cast<float>(beta * bias[bias.size() == 1 ? 0 : o]);
    }
    return y;
  }

  Values channelScale(const onnx::NodeProto& node) const {
    Values y = source(node);
    const size_t channels = static_cast<size_t>(shape(node)[1]), pixels = y.size() / channels;
    const double epsilon = floatAttribute(node, "epsilon", 1e-5f);
    for (size_t channel = 0; channel < channels; ++channel) {
      const double scale = source(node, 1)[channel] / std::sqrt(source(node, 4)[channel] + epsilon);
      for (size_t pixel = 0; pixel < pixels; ++pixel) {
        float& value = y[channel * pixels + pixel];
        value = static_cast<float>((value - source(node, 3)[channel]) * scale + source(node, 2)[channel]);
      }
    }
    return y;
  }

  Values pool(const onnx::NodeProto& node, bool largest) const {
    const Shape from = shape(node), to = resultShape(node);
    const Window window = windowOf(node, from, to, {1, 1});
    const bool countsPads = intAttribute(node, "count_include_pad", 0) != 0;
    const Values& x = source(node);
    Values y;
    for (int64_t channel = 0; channel < to[1]; ++channel)
      for (int64_t r = 0; r < to[2]; ++r)
        for (int64_t c = 0; c < to[3]; ++c) {
          const Taps rows = tapsOf(window, 0, r, from[2]), columns = tapsOf(window, 1, c, from[3]);
          double sum = 0;
          float most = -std::numeric_limits<float>::infinity();
          for (int64_t a = rows.begin; a < rows.end; ++a)
            for (int64_t b = columns.begin; b < columns.end; ++b) {
              const float value =
                  x[static_cast<size_t>((channel * from[2] + rows.first + a) * from[3] + columns.first + b)];
              sum += value;
              most = std::max(most, value);
            }
          const int64_t hit = (rows.end - rows.begin) * (columns.end - columns.begin);
          const int64_t count = countsPads ? window.kernel[0] * window.kernel[1] : hit;
          y.push_back(largest ? most : static_cast<float>(sum / static_cast<double>(count)));
        }
    return y;
  }

  Values mean(const onnx::NodeProto& node) const {
    const Values& x = source(node);
    const size_t channels = static_cast<size_t>(shape(node)[1]), pixels = x.size() / channels;
    Values y(channels);
    for (size_t channel = 0; channel < channels; ++channel) {
      double sum = 0;
      for (size_t pixel = 0; pixel < pixels; ++pixel) sum += x[channel * pixels + pixel];
      y[channel] = static_cast<float>(sum / static_cast<double>(pixels));
    }
    return y;
  }

  Values activation(const onnx::NodeProto& node) const {
    const std::string& type = node.op_type();
    Values y = source(node);
    const auto apply = [&](const auto& function) {
      for (float& value : y) value = function(value);
      return y;
    };
    if (type == "Relu") return apply([](float x) { return x < 0 ? 0 : x; });
    if (type == "Sigmoid") return apply([](float x) { return 1 / (1 + std::exp(-x)); });
    if (type == "Tanh") return apply([](float x) { return std::tanh(x); });
    if (type == "LeakyRelu") {
      const float slope = floatAttribute(node, "alpha", 0.01f);
      return apply([&](float x) { return x < 0 ? slope * x : x; });
    }
    if (type == "Elu") {
      const float alpha = floatAttribute(node, "alpha", 1);
      return apply([&](float x) { return x < 0 ? alpha * std::expm1(x) : x; });
    }
    float low = floatAttribute(node, "min", std::numeric_limits<float>::lowest()),
          high = floatAttribute(node, "max", std::numeric_limits<float>::max());
    if (has(node, 1)) low = source(node, 1).at(0);
    if (has(node, 2)) high = source(node, 2).at(0);
    return apply([&](float x) { return std::min(std::max(x, low), high); });
  }

  /// The second operand has extent 1 wherever it differs from the first.
  Values binary(const onnx::NodeProto& node) const {
    Values y = source(node);
    const Values& operand = source(node, 1);
    const Shape to = resultShape(node);
    Shape narrow = shape(node, 1);
    narrow.insert(narrow.begin(), to.size() - narrow.size(), 1);
    const std::string& type = node.op_type();
    for (size_t i = 0; i < y.size(); ++i) {
      size_t left = i, at = 0, step = 1;
      for (size_t axis = to.size(); axis-- > 0;) {
        const auto extent = static_cast<size_t>(to[axis]);
        if (narrow[axis] != 1) {
          at += left % extent * step;
          step *= extent;
        }
        left /= extent;
      }
      const float b = operand[at];
      y[i] = type == "Add" ? y[i] + b : type == "Sub" ? y[i] - b : type == "Mul" ? y[i] * b : y[i] / b;
    }
    return y;
  }

  Values concat(const onnx::NodeProto& node) const {
    Values y;
    for (int input = 0; input < node.input_size(); ++input)
      y.insert(y.end(), source(node, input).begin(), source(node, input).end());
    return y;
  }

  Values softmax(const onnx::NodeProto& node) const {
    Values y = source(node);
    const float largest = *std::max_element(y.begin(), y.end());
    float sum = 0;
    for (float& value : y) sum += value = std::exp(value - largest);
    for (float& value : y) value /= sum;
    return y;
  }

  Values excerpt(const onnx::NodeProto& node) const {
    const Shape from = shape(node), to = resultShape(node);
    const Box box = boxOf(node, from, [&](const std::string& name) { return facts_.constant(name); });
    const Values& x = source(node);
    Values y(elementCount(to), box.fill);
    for (size_t i = 0; i < y.size(); ++i) {
      int64_t left = static_cast<int64_t>(i), at = 0, step = 1;
      bool inside = true;
      for (size_t axis = to.size(); axis-- > 0;) {
        const int64_t position = box.begin[axis] + left % to[axis] * box.step[axis];
        inside = inside && position >= 0 && position < from[axis];
        at += position * step;
        step *= from[axis];
        left /= to[axis];
      }
      if (inside) y[i] = x[static_cast<size_t>(at)];
    }
    return y;
  }

  const onnx::GraphProto& graph_;
  StageFacts facts_;
  std::map<std::string, Values> values_;
};

}  // namespace

void runInFloat(const onnx::ModelProto& model, const std::vector<std::vector<float>>& pictures,
                const TensorVisitor& visit) {
  Runner runner(model);
  for (const Values& picture : pictures) runner.run(inputName(model), picture, visit);
}

}  // namespace rdi::graph
