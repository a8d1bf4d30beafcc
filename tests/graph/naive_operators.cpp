// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/graph/naive_operators.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <string>

#include "graph/attributes.hpp"
#include "graph/error.hpp"

namespace rdi::test {
namespace {

using graph::Shape;
using onnx::NodeProto;
using Operands = std::vector<const Tensor*>;
using Index = std::vector<int64_t>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Call {
  const NodeProto& node;
  const Operands& in;
  int64_t opset;

  bool has(size_t operand) const { return operand < in.size() && in[operand] != nullptr; }
  int64_t number(const char* name, int64_t fallback) const {
    return graph::intAttribute(node, name, fallback);
  }
  double real(const char* name, double fallback) const {
    return graph::floatAttribute(node, name, static_cast<float>(fallback));
  }
  /// Whole numbers that are an attribute in old opsets and an operand in new ones.
  Index list(const char* name, size_t operand, const Index& fallback = {}) const {
    return has(operand) ? Index(in[operand]->values.begin(), in[operand]->values.end())
                        : graph::intsAttribute(node, name, fallback);
  }
};

Tensor zeros(const Shape& shape) {
  return {shape, std::vector<double>(static_cast<size_t>(elementCount(shape)))};
}

int64_t fromFront(int64_t axis, size_t rank) { return axis < 0 ? axis + static_cast<int64_t>(rank) : axis; }

/// Position in each axis of the i-th value.
Index indexOf(const Shape& shape, size_t i) {
  Index index(shape.size());
  auto rest = static_cast<int64_t>(i);
  for (size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = rest % shape[axis];
    rest /= shape[axis];
  }
  return index;
}

size_t offsetOf(const Shape& shape, const Index& index) {
  int64_t offset = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) offset = offset * shape[axis] + index[axis];
  return static_cast<size_t>(offset);
}

/// A result of this shape whose every value is a function of its position.
Tensor make(const Shape& shape, const std::function<double(const Index&)>& value) {
  Tensor result = zeros(shape);
  for (size_t i = 0; i < result.values.size(); ++i) result.values[i] = value(indexOf(shape, i));
  return result;
}

// ---- Windows ----

/// One axis of a window that moves over a picture.
struct Sweep {
  int64_t kernel = 1, stride = 1, dilation = 1, before = 0, after = 0, out = 1;
};

Sweep sweepOf(const Call& call, size_t axis, int64_t size, int64_t kernel) {
  Sweep sweep;
  const auto of = [&](const char* name, int64_t fallback) {
    const auto values = graph::intsAttribute(call.node, name, {fallback, fallback, fallback, fallback});
    return std::pair{values[axis], values[values.size() - 2 + axis]};
  };
  sweep.kernel = kernel > 0 ? kernel : of("kernel_shape", 1).first;
  sweep.stride = of("strides", 1).first;
  sweep.dilation = of("dilations", 1).first;
  std::tie(sweep.before, sweep.after) = of("pads", 0);
  const int64_t extent = (sweep.kernel - 1) * sweep.dilation + 1;
  const std::string padding = graph::stringAttribute(call.node, "auto_pad", "NOTSET");
  if (padding == "VALID") sweep.before = sweep.after = 0;
  if (padding == "SAME_UPPER" || padding == "SAME_LOWER") {
    const int64_t out = (size + sweep.stride - 1) / sweep.stride;
    const int64_t total = std::max<int64_t>((out - 1) * sweep.stride + extent - size, 0);
    sweep.before = padding == "SAME_LOWER" ? total - total / 2 : total / 2;
    sweep.after = total - sweep.before;
  }
  const int64_t room = size + sweep.before + sweep.after - extent;
  sweep.out =
      (call.number("ceil_mode", 0) != 0 ? (room + sweep.stride - 1) / sweep.stride : room / sweep.stride) + 1;
  return sweep;
}

Tensor conv(const Call& call) {
  const Tensor &x = *call.in[0], &w = *call.in[1];
  const Sweep rows = sweepOf(call, 0, x.shape[2], w.shape[2]),
              columns = sweepOf(call, 1, x.shape[3], w.shape[3]);
  const int64_t height = x.shape[2], width = x.shape[3], in = w.shape[1];
  const int64_t outPerGroup = w.shape[0] / call.number("group", 1);
  Tensor y = zeros({x.shape[0], w.shape[0], rows.out, columns.out});
  for (int64_t n = 0; n < y.shape[0]; ++n)
    for (int64_t o = 0; o < y.shape[1]; ++o) {
      double* plane = &y.values[offsetOf(y.shape, {n, o, 0, 0})];
      std::fill(plane, plane + rows.out * columns.out,
                call.has(2) ? call.in[2]->values[static_cast<size_t>(o)] : 0.0);
      for (int64_t i = 0; i < in; ++i) {
        const double* source = &x.values[offsetOf(x.shape, {n, o / outPerGroup * in + i, 0, 0})];
        for (int64_t a = 0; a < rows.kernel; ++a)
          for (int64_t b = 0; b < columns.kernel; ++b) {
            const double weight = w.values[offsetOf(w.shape, {o, i, a, b})];
            for (int64_t r = 0; r < rows.out; ++r) {
              const int64_t row = r * rows.stride + a * rows.dilation - rows.before;
              if (row < 0 || row >= height) continue;
              for (int64_t c = 0; c < columns.out; ++c) {
                const int64_t column = c * columns.stride + b * columns.dilation - columns.before;
                if (column >= 0 && column < width)
                  plane[r * columns.out + c] += weight * source[row * width + column];
              }
            }
          }
      }
    }
  return y;
}

/// MaxPool, AveragePool and their global forms.
Tensor pool(const Call& call) {
  const Tensor& x = *call.in[0];
  const std::string& type = call.node.op_type();
  const bool global = type.rfind("Global", 0) == 0, max = type == "MaxPool" || type == "GlobalMaxPool";
  const bool countPads = call.number("count_include_pad", 0) != 0;
  const int64_t height = x.shape[2], width = x.shape[3];
  const Sweep rows = sweepOf(call, 0, height, global ? height : 0),
              columns = sweepOf(call, 1, width, global ? width : 0);
  return make({x.shape[0], x.shape[1], rows.out, columns.out}, [&](const Index& at) {
    double sum = 0, largest = -kInfinity, count = 0;
    for (int64_t a = 0; a < rows.kernel; ++a)
      for (int64_t b = 0; b < columns.kernel; ++b) {
        const int64_t row = at[2] * rows.stride + a * rows.dilation - rows.before;
        const int64_t column = at[3] * columns.stride + b * columns.dilation - columns.before;
        const bool inside = row >= 0 && row < height && column >= 0 && column < width;
        const bool inPads = row < height + rows.after && column < width + columns.after;
        count += inside || (countPads && inPads) ? 1 : 0;
        if (!inside) continue;
        const double value = x.values[offsetOf(x.shape, {at[0], at[1], row, column})];
        sum += value;
        largest = std::max(largest, value);
      }
    return max ? largest : sum / count;
  });
}

// ---- Linear algebra and normalisation ----

Tensor gemm(const Call& call) {
  const Tensor &x = *call.in[0], &w = *call.in[1];
  const bool matMul = call.node.op_type() == "MatMul";
  const bool flipX = call.number("transA", 0) != 0, flipW = call.number("transB", 0) != 0;
  const double alpha = matMul ? 1 : call.real("alpha", 1), beta = call.real("beta", 1);
  const int64_t inner = x.shape[flipX ? 0 : 1];
  if (x.shape.size() != 2 || w.shape.size() != 2) throw Error("runNaively multiplies matrices only");
  return make({x.shape[flipX ? 1 : 0], w.shape[flipW ? 0 : 1]}, [&](const Index& at) {
    double sum = 0;
    for (int64_t k = 0; k < inner; ++k)
      sum += x.values[offsetOf(x.shape, flipX ? Index{k, at[0]} : Index{at[0], k})] *
             w.values[offsetOf(w.shape, flipW ? Index{at[1], k} : Index{k, at[1]})];
    const double bias =
        call.has(2) ? call.in[2]->values[call.in[2]->values.size() == 1 ? 0 : static_cast<size_t>(at[1])] : 0;
    return alpha * sum + beta * bias;
  });
}

Tensor batchNorm(const Call& call) {
  const double epsilon = call.real("epsilon", 1e-5);
  return make(call.in[0]->shape, [&](const Index& at) {
    const auto c = static_cast<size_t>(at[1]);
    const double x = call.in[0]->values[offsetOf(call.in[0]->shape, at)];
    return (x - call.in[3]->values[c]) / std::sqrt(call.in[4]->values[c] + epsilon) * call.in[1]->values[c] +
           call.in[2]->values[c];
  });
}

/// Across channels.
Tensor localResponse(const Call& call) {
  const Tensor& x = *call.in[0];
  const int64_t size = call.number("size", 1);
  const double alpha = call.real("alpha", 1e-4), beta = call.real("beta", 0.75), bias = call.real("bias", 1);
  return make(x.shape, [&](const Index& at) {
    double sum = 0;
    for (int64_t c = std::max<int64_t>(at[1] - (size - 1) / 2, 0);
         c <= std::min(at[1] + size / 2, x.shape[1] - 1); ++c)
      sum += std::pow(x.values[offsetOf(x.shape, {at[0], c, at[2], at[3]})], 2);
    return x.values[offsetOf(x.shape, at)] / std::pow(bias + alpha / static_cast<double>(size) * sum, beta);
  });
}

/// Softmax and LogSoftmax: along one axis since opset 13, over all from that axis on before.
Tensor softmax(const Call& call) {
  Tensor y = *call.in[0];
  const auto axis =
      static_cast<size_t>(fromFront(call.number("axis", call.opset < 13 ? 1 : -1), y.shape.size()));
  const int64_t inner =
      call.opset < 13 ? 1 : elementCount({y.shape.begin() + static_cast<long>(axis) + 1, y.shape.end()});
  const int64_t extent = call.opset < 13
                             ? elementCount({y.shape.begin() + static_cast<long>(axis), y.shape.end()})
                             : y.shape[axis];
  const int64_t outer = elementCount(y.shape) / extent / inner;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const auto at = [&](int64_t k) -> double& {
        return y.values[static_cast<size_t>((o * extent + k) * inner + i)];
      };
      double largest = -kInfinity, sum = 0;
      for (int64_t k = 0; k < extent; ++k) largest = std::max(largest, at(k));
      for (int64_t k = 0; k < extent; ++k) sum += std::exp(at(k) - largest);
      for (int64_t k = 0; k < extent; ++k) {
        const double log = at(k) - largest - std::log(sum);
        at(k) = call.node.op_type() == "Softmax" ? std::exp(log) : log;
      }
    }
  return y;
}

Tensor reduce(const Call& call) {
  const Tensor& x = *call.in[0];
  const std::string& type = call.node.op_type();
  const size_t rank = x.shape.size();
  Index axes = call.list("axes", 1);
  for (auto& axis : axes) axis = fromFront(axis, rank);
  const auto reduced = [&](size_t axis) {
    return axes.empty() || std::count(axes.begin(), axes.end(), static_cast<int64_t>(axis)) != 0;
  };
  Shape kept, dropped;
  for (size_t axis = 0; axis < rank; ++axis) {
    kept.push_back(reduced(axis) ? 1 : x.shape[axis]);
    if (!reduced(axis)) dropped.push_back(x.shape[axis]);
  }
  Tensor y = zeros(kept);
  std::fill(y.values.begin(), y.values.end(),
            type == "ReduceMax"   ? -kInfinity
            : type == "ReduceMin" ? kInfinity
                                  : 0);
  for (size_t i = 0; i < x.values.size(); ++i) {
    Index at = indexOf(x.shape, i);
    for (size_t axis = 0; axis < rank; ++axis)
      if (reduced(axis)) at[axis] = 0;
    double& value = y.values[offsetOf(kept, at)];
    value = type == "ReduceMax"   ? std::max(value, x.values[i])
            : type == "ReduceMin" ? std::min(value, x.values[i])
            : type == "ReduceL2"  ? value + x.values[i] * x.values[i]
                                  : value + x.values[i];
  }
  const double count = static_cast<double>(x.values.size()) / static_cast<double>(y.values.size());
  for (auto& value : y.values)
    value = type == "ReduceMean" ? value / count : type == "ReduceL2" ? std::sqrt(value) : value;
  if (call.number("keepdims", 1) == 0) y.shape = dropped;
  return y;
}

// ---- Element by element ----

double unaryValue(const Call& call, double x) {
  const std::string& type = call.node.op_type();
  const auto alpha = [&](double fallback) { return call.real("alpha", fallback); };
  const auto hardSigmoid = [&](double slope, double offset) {
    return std::clamp(slope * x + offset, 0.0, 1.0);
  };
  if (type == "Relu") return std::max(x, 0.0);
  if (type == "LeakyRelu") return x < 0 ? alpha(0.01) * x : x;
  if (type == "ThresholdedRelu") return x > alpha(1) ? x : 0;
  if (type == "Elu") return x < 0 ? alpha(1) * std::expm1(x) : x;
  if (type == "Celu") return std::max(x, 0.0) + std::min(0.0, alpha(1) * std::expm1(x / alpha(1)));
  if (type == "Selu")
    return call.real("gamma", 1.05070102214813232421875) *
           (x <= 0 ? alpha(1.67326319217681884765625) * std::expm1(x) : x);
  if (type == "Sigmoid") return 1 / (1 + std::exp(-x));
  if (type == "HardSigmoid") return hardSigmoid(alpha(0.2), call.real("beta", 0.5));
  if (type == "HardSwish") return x * hardSigmoid(1.0 / 6, 0.5);
  if (type == "Softplus") return std::log1p(std::exp(x));
  if (type == "Softsign") return x / (1 + std::abs(x));
  if (type == "Tanh") return std::tanh(x);
  if (type == "Erf") return std::erf(x);
  if (type == "Exp") return std::exp(x);
  if (type == "Log") return std::log(x);
  if (type == "Sqrt") return std::sqrt(x);
  if (type == "Abs") return std::abs(x);
  if (type == "Neg") return -x;
  if (type == "Reciprocal") return 1 / x;
  if (type == "Floor") return std::floor(x);
  if (type == "Ceil") return std::ceil(x);
  if (type == "Identity" || type == "Dropout") return x;
  if (type == "Cast") return call.number("to", 1) == onnx::TensorProto::FLOAT ? x : std::trunc(x);
  throw Error("runNaively does not know " + type);
}

Tensor unary(const Call& call) {
  Tensor y = *call.in[0];
  for (auto& value : y.values) value = unaryValue(call, value);
  return y;
}

Tensor clip(const Call& call) {
  const double low = call.has(1) ? call.in[1]->values[0] : call.real("min", -kInfinity);
  const double high = call.has(2) ? call.in[2]->values[0] : call.real("max", kInfinity);
  Tensor y = *call.in[0];
  for (auto& value : y.values) value = std::min(std::max(value, low), high);
  return y;
}

double binaryValue(const std::string& type, double a, double b) {
  if (type == "Add" || type == "Sum") return a + b;
  if (type == "Sub") return a - b;
  if (type == "Mul") return a * b;
  if (type == "Div") return a / b;
  if (type == "Pow") return std::pow(a, b);
  if (type == "Max") return std::max(a, b);
  if (type == "Min") return std::min(a, b);
  if (type == "PRelu") return a < 0 ? a * b : a;
  throw Error("runNaively does not know " + type);
}

/// With the broadcasting of numpy.
Tensor combine(const std::string& type, const Tensor& a, const Tensor& b) {
  const size_t rank = std::max(a.shape.size(), b.shape.size());
  const auto aligned = [&](Shape shape) {
    shape.insert(shape.begin(), rank - shape.size(), 1);
    return shape;
  };
  const Shape left = aligned(a.shape), right = aligned(b.shape);
  Shape shape(rank);
  for (size_t axis = 0; axis < rank; ++axis) shape[axis] = std::max(left[axis], right[axis]);
  const auto valueAt = [&](const Tensor& tensor, const Shape& own, Index at) {
    for (size_t axis = 0; axis < rank; ++axis)
      if (own[axis] == 1) at[axis] = 0;
    return tensor.values[offsetOf(own, at)];
  };
  return make(
      shape, [&](const Index& at) { return binaryValue(type, valueAt(a, left, at), valueAt(b, right, at)); });
}

Tensor binary(const Call& call) {
  Tensor result = *call.in[0];
  for (size_t i = 1; i < call.in.size(); ++i) result = combine(call.node.op_type(), result, *call.in[i]);
  return result;
}

// ---- Shapes ----

Tensor withShape(const Tensor& tensor, const Shape& shape) {
  if (elementCount(shape) != elementCount(tensor.shape))
    throw Error("runNaively: " + graph::toString(tensor.shape) + " does not become " +
                graph::toString(shape));
  return {shape, tensor.values};
}

Tensor flatten(const Call& call) {
  const Shape& shape = call.in[0]->shape;
  const auto split = shape.begin() + fromFront(call.number("axis", 1), shape.size());
  return withShape(*call.in[0], {elementCount({shape.begin(), split}), elementCount({split, shape.end()})});
}

Tensor reshape(const Call& call) {
  const Shape& source = call.in[0]->shape;
  Shape shape = call.list("shape", 1);
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] == 0) shape[i] = source[i];
  int64_t known = 1;
  for (const int64_t size : shape) known *= size < 0 ? 1 : size;
  for (auto& size : shape)
    if (size < 0) size = elementCount(source) / known;
  return withShape(*call.in[0], shape);
}

Tensor squeeze(const Call& call) {
  const Shape& source = call.in[0]->shape;
  Index axes = call.list("axes", 1);
  for (auto& axis : axes) axis = fromFront(axis, source.size());
  Shape shape;
  for (size_t i = 0; i < source.size(); ++i) {
    const bool named = std::count(axes.begin(), axes.end(), static_cast<int64_t>(i)) != 0;
    if (axes.empty() ? source[i] != 1 : !named) shape.push_back(source[i]);
  }
  return withShape(*call.in[0], shape);
}

Tensor unsqueeze(const Call& call) {
  Shape shape = call.in[0]->shape;
  Index axes = call.list("axes", 1);
  for (auto& axis : axes) axis = fromFront(axis, shape.size() + axes.size());
  std::sort(axes.begin(), axes.end());
  for (const int64_t axis : axes) shape.insert(shape.begin() + axis, 1);
  return withShape(*call.in[0], shape);
}

Tensor transpose(const Call& call) {
  const Tensor& x = *call.in[0];
  Index order(x.shape.size());
  std::iota(order.rbegin(), order.rend(), 0);
  order = graph::intsAttribute(call.node, "perm", order);
  Shape shape;
  for (const int64_t axis : order) shape.push_back(x.shape[static_cast<size_t>(axis)]);
  return make(shape, [&](const Index& at) {
    Index from(at.size());
    for (size_t i = 0; i < order.size(); ++i) from[static_cast<size_t>(order[i])] = at[i];
    return x.values[offsetOf(x.shape, from)];
  });
}

Tensor concat(const Call& call) {
  Shape shape = call.in[0]->shape;
  const auto axis = static_cast<size_t>(fromFront(call.number("axis", 1), shape.size()));
  shape[axis] = 0;
  for (const Tensor* part : call.in) shape[axis] += part->shape[axis];
  return make(shape, [&](Index at) {
    size_t part = 0;
    for (; at[axis] >= call.in[part]->shape[axis]; ++part) at[axis] -= call.in[part]->shape[axis];
    return call.in[part]->values[offsetOf(call.in[part]->shape, at)];
  });
}

std::vector<Tensor> split(const Call& call) {
  const Tensor& x = *call.in[0];
  const auto axis = static_cast<size_t>(fromFront(call.number("axis", 0), x.shape.size()));
  const auto parts = static_cast<size_t>(call.node.output_size());
  const Index sizes = call.list("split", 1, Index(parts, x.shape[axis] / static_cast<int64_t>(parts)));
  std::vector<Tensor> result;
  int64_t start = 0;
  for (const int64_t size : sizes) {
    Shape shape = x.shape;
    shape[axis] = size;
    result.push_back(make(shape, [&](Index at) {
      at[axis] += start;
      return x.values[offsetOf(x.shape, at)];
    }));
    start += size;
  }
  return result;
}

Tensor slice(const Call& call) {
  const Tensor& x = *call.in[0];
  const Index starts = call.list("starts", 1), ends = call.list("ends", 2);
  Index axes(starts.size());
  std::iota(axes.begin(), axes.end(), 0);
  axes = call.list("axes", 3, axes);
  const Index steps = call.list("steps", 4, Index(starts.size(), 1));
  Shape shape = x.shape;
  Index first(shape.size(), 0), step(shape.size(), 1);
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto axis = static_cast<size_t>(fromFront(axes[i], shape.size()));
    const int64_t size = x.shape[axis];
    const auto bounded = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
    first[axis] = bounded(starts[i]);
    step[axis] = steps[i];
    shape[axis] = (bounded(ends[i]) - first[axis] + steps[i] - 1) / steps[i];
  }
  return make(shape, [&](Index at) {
    for (size_t axis = 0; axis < at.size(); ++axis) at[axis] = first[axis] + at[axis] * step[axis];
    return x.values[offsetOf(x.shape, at)];
  });
}

/// With a constant around.
Tensor pad(const Call& call) {
  const Tensor& x = *call.in[0];
  const size_t rank = x.shape.size();
  const Index pads = call.list("pads", 1);
  const double around = call.has(2) ? call.in[2]->values[0] : call.real("value", 0);
  Shape shape = x.shape;
  for (size_t axis = 0; axis < rank; ++axis) shape[axis] += pads[axis] + pads[rank + axis];
  return make(shape, [&](Index at) {
    for (size_t axis = 0; axis < rank; ++axis) {
      at[axis] -= pads[axis];
      if (at[axis] < 0 || at[axis] >= x.shape[axis]) return around;
    }
    return x.values[offsetOf(x.shape, at)];
  });
}

Tensor gather(const Call& call) {
  const Tensor &x = *call.in[0], &indices = *call.in[1];
  const auto axis = static_cast<size_t>(fromFront(call.number("axis", 0), x.shape.size()));
  Shape shape(x.shape.begin(), x.shape.begin() + static_cast<long>(axis));
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + static_cast<long>(axis) + 1, x.shape.end());
  const auto inside = static_cast<long>(indices.shape.size());
  return make(shape, [&](const Index& at) {
    const auto middle = at.begin() + static_cast<long>(axis);
    const auto index =
        static_cast<int64_t>(indices.values[offsetOf(indices.shape, {middle, middle + inside})]);
    Index from(at.begin(), middle);
    from.push_back(index < 0 ? index + x.shape[axis] : index);
    from.insert(from.end(), middle + inside, at.end());
    return x.values[offsetOf(x.shape, from)];
  });
}

Tensor shapeOf(const Call& call) {
  const Shape& shape = call.in[0]->shape;
  return {{static_cast<int64_t>(shape.size())}, {shape.begin(), shape.end()}};
}

Tensor constant(const Call& call) { return fromProto(graph::findAttribute(call.node, "value")->t()); }

using Compute = Tensor (*)(const Call&);

const std::map<std::string, Compute>& table() {
  static const std::map<std::string, Compute> operators{
      {"Conv", conv},           {"MaxPool", pool},
      {"AveragePool", pool},    {"GlobalAveragePool", pool},
      {"GlobalMaxPool", pool},  {"Gemm", gemm},
      {"MatMul", gemm},         {"BatchNormalization", batchNorm},
      {"LRN", localResponse},   {"Softmax", softmax},
      {"LogSoftmax", softmax},  {"ReduceMean", reduce},
      {"ReduceSum", reduce},    {"ReduceMax", reduce},
      {"ReduceMin", reduce},    {"ReduceL2", reduce},
      {"Clip", clip},           {"Add", binary},
      {"Sum", binary},          {"Sub", binary},
      {"Mul", binary},          {"Div", binary},
      {"Pow", binary},          {"Max", binary},
      {"Min", binary},          {"PRelu", binary},
      {"Flatten", flatten},     {"Reshape", reshape},
      {"Squeeze", squeeze},     {"Unsqueeze", unsqueeze},
      {"Transpose", transpose}, {"Concat", concat},
      {"Slice", slice},         {"Pad", pad},
      {"Gather", gather},       {"Shape", shapeOf},
      {"Constant", constant},
  };
  return operators;
}

}  // namespace

int64_t elementCount(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
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

std::vector<Tensor> computeNaively(const NodeProto& node, const Operands& operands, int64_t opset) {
  const Call call{node, operands, opset};
  if (node.op_type() == "Split") return split(call);
  const auto found = table().find(node.op_type());
  return {found == table().end() ? unary(call) : found->second(call)};
}

}  // namespace rdi::test
