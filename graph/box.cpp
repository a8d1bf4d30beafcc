// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/box.hpp"

#include <algorithm>

#include "graph/attributes.hpp"
#include "graph/error.hpp"

namespace rdi::graph {
namespace {

/// Reads what older opsets give as an attribute and newer ones as a constant input.
class Reader {
public:
  Reader(const onnx::NodeProto& node, const ConstantLookup& constant) : node_(node), constant_(constant) {}

  std::vector<int64_t> ints(const char* name, int input, const std::vector<int64_t>& fallback) const {
    const auto* tensor = operand(name, input);
    return tensor ? intValues(*tensor) : intsAttribute(node_, name, fallback);
  }

  float number(const char* name, int input, float fallback) const {
    const auto* tensor = operand(name, input);
    if (tensor == nullptr) return floatAttribute(node_, name, fallback);
    const auto values = floatValues(*tensor);
    if (values.size() != 1) throw Error(text(name, " holds ", values.size(), " values, expected one"));
    return values[0];
  }

private:
  const onnx::TensorProto* operand(const char* name, int input) const {
    if (input >= node_.input_size() || node_.input(input).empty()) return nullptr;
    const auto* tensor = constant_(node_.input(input));
    if (tensor == nullptr) throw Error(text(name, " must be a constant"));
    return tensor;
  }

  const onnx::NodeProto& node_;
  const ConstantLookup& constant_;
};

Box boxOfPad(const onnx::NodeProto& node, const Reader& read, size_t rank) {
  const std::string mode = stringAttribute(node, "mode", "constant");
  if (mode != "constant") throw Error(text("mode ", mode, " is not supported, only constant"));
  const auto pads = read.ints("pads", 1, {});
  if (pads.size() != 2 * rank) throw Error(text("found ", pads.size(), " pads, expected ", 2 * rank));
  if (node.input_size() > 3 && !node.input(3).empty())
    throw Error("pads of some axes alone are not supported");
  Box box{std::vector<int64_t>(rank), std::vector<int64_t>(rank, 1), read.number("value", 2, 0)};
  for (size_t axis = 0; axis < rank; ++axis) box.begin[axis] = -pads[axis];
  return box;
}

Box boxOfSlice(const Reader& read, const Shape& source) {
  const auto starts = read.ints("starts", 1, {});
  std::vector<int64_t> all(starts.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  const auto axes = read.ints("axes", 3, all);
  const auto steps = read.ints("steps", 4, std::vector<int64_t>(starts.size(), 1));
  if (axes.size() != starts.size() || steps.size() != starts.size())
    throw Error("starts, axes and steps must be of one length");
  const auto rank = static_cast<int64_t>(source.size());
  Box box{std::vector<int64_t>(source.size()), std::vector<int64_t>(source.size(), 1), 0};
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axis < 0 || axis >= rank) throw Error(text("axis ", axes[i], " is out of range"));
    if (steps[i] < 1) throw Error(text("a step of ", steps[i], " is not supported, only forward ones"));
    const int64_t size = source[static_cast<size_t>(axis)];
    const int64_t start = starts[i] < 0 ? starts[i] + size : starts[i];
    box.begin[static_cast<size_t>(axis)] = std::clamp<int64_t>(start, 0, size);
    box.step[static_cast<size_t>(axis)] = steps[i];
  }
  return box;
}

}  // namespace

Box boxOf(const onnx::NodeProto& node, const Shape& source, const ConstantLookup& constant) {
  const Reader read(node, constant);
  return node.op_type() == "Pad" ? boxOfPad(node, read, source.size()) : boxOfSlice(read, source);
}

}  // namespace rdi::graph
