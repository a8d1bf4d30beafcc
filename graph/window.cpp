// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/window.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "graph/attributes.hpp"
#include "graph/error.hpp"

namespace rdi::graph {
namespace {

std::array<int64_t, 2> pairOf(const onnx::NodeProto& node, const char* attribute,
                              const std::array<int64_t, 2>& fallback, int64_t smallest) {
  const std::vector<int64_t> values = intsAttribute(node, attribute, {fallback[0], fallback[1]});
  if (values.size() != 2)
    throw Error(text(node.op_type(), " '", node.name(), "': attribute ", attribute, " has ", values.size(),
                     " values, expected 2 (height, width)"));
  if (std::min(values[0], values[1]) < smallest)
    throw Error(text(node.op_type(), " '", node.name(), "': attribute ", attribute, " holds ",
                     std::min(values[0], values[1]), ", expected at least ", smallest));
  return {values[0], values[1]};
}

}  // namespace

Window windowOf(const onnx::NodeProto& node, const Shape& source, const Shape& destination,
                const std::array<int64_t, 2>& kernel) {
  Window window;
  window.kernel = pairOf(node, "kernel_shape", kernel, 1);
  window.strides = pairOf(node, "strides", {1, 1}, 1);
  window.dilations = pairOf(node, "dilations", {1, 1}, 1);
  const std::string autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  const std::vector<int64_t> pads = intsAttribute(node, "pads", {0, 0, 0, 0});
  if (pads.size() != 4 || *std::min_element(pads.begin(), pads.end()) < 0)
    throw Error(
        text(node.op_type(), " '", node.name(), "': attribute pads must hold 4 values of at least 0"));
  for (size_t axis = 0; axis < 2; ++axis) {
    const int64_t reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
    const int64_t covered = (destination.at(axis + 2) - 1) * window.strides[axis] + reach;
    const int64_t total = covered - source.at(axis + 2);
    if (autoPad == "SAME_UPPER")
      window.padsBegin[axis] = std::max<int64_t>(total, 0) / 2;
    else if (autoPad == "SAME_LOWER")
      window.padsBegin[axis] = (std::max<int64_t>(total, 0) + 1) / 2;
    else if (autoPad == "NOTSET")
      window.padsBegin[axis] = pads[axis];
    // A floor may leave the last pixels unread; a negative pad would say the same.
    const int64_t needed = total - window.padsBegin[axis];
    const bool fits = needed > -window.strides[axis] &&
                      (autoPad != "NOTSET" || needed < pads[axis + 2] + window.strides[axis]);
    if (!fits)
      throw Error(text(node.op_type(), " '", node.name(), "': ", toString(source), " cannot become ",
                       toString(destination), "; the shapes recorded in the file do not fit the operator"));
    window.padsEnd[axis] = std::max<int64_t>(needed, 0);
  }
  return window;
}

}  // namespace rdi::graph
