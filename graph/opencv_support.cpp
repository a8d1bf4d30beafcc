// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/opencv_support.hpp"

#include <algorithm>
#include <cstdint>

#include "graph/attributes.hpp"
#include "graph/engine_support.hpp"
#include "graph/error.hpp"
#include "graph/shapes.hpp"

namespace rdi::graph {
namespace {

using Check = std::string (*)(const onnx::NodeProto&, const StageFacts&);

struct SupportedOperator {
  const char* onnxType;
  Check whyNot;
};

std::string always(const onnx::NodeProto&, const StageFacts&) { return {}; }

std::string needConstants(const onnx::NodeProto& node, const StageFacts& facts) {
  for (int i = 1; i < node.input_size(); ++i)
    if (!node.input(i).empty() && !facts.isConstant(node.input(i)))
      return text("input ", i + 1, " must be a constant");
  return {};
}

std::string needRank(const onnx::NodeProto& node, const StageFacts& facts, size_t rank) {
  const Shape shape = facts.shape(node.input(0));
  return shape.size() == rank ? ""
                              : text("its input is ", toString(shape), ", only rank ", rank, " is supported");
}

std::string checkConv(const onnx::NodeProto& node, const StageFacts& facts) {
  const std::string reason = needRank(node, facts, 4);
  return reason.empty() ? needConstants(node, facts) : reason;
}

std::string checkPool(const onnx::NodeProto& node, const StageFacts& facts) {
  if (node.output_size() > 1 && !node.output(1).empty()) return "the indices output is not supported";
  const auto dilations = intsAttribute(node, "dilations", {});
  if (std::any_of(dilations.begin(), dilations.end(), [](int64_t dilation) { return dilation != 1; }))
    return "dilated pooling is not supported";
  return needRank(node, facts, 4);
}

std::string checkGemm(const onnx::NodeProto& node, const StageFacts& facts) {
  if (intAttribute(node, "transA", 0) != 0) return "transA is not supported";
  const std::string reason = needRank(node, facts, 2);
  return reason.empty() ? needConstants(node, facts) : reason;
}

std::string checkMatMul(const onnx::NodeProto& node, const StageFacts& facts) {
  for (const auto& input : node.input())
    if (facts.shape(input).size() != 2)
      return text("an operand is ", toString(facts.shape(input)), ", only rank 2 is supported");
  return facts.isConstant(node.input(0)) ? "a constant first operand is not supported" : "";
}

std::string checkLrn(const onnx::NodeProto& node, const StageFacts& facts) {
  if (intAttribute(node, "size", 1) % 2 == 0) return "an even size is not supported";
  return needRank(node, facts, 4);
}

/// Before opset 13 all axes from `axis` on were one.
std::string checkSoftmax(const onnx::NodeProto& node, const StageFacts& facts) {
  const auto rank = static_cast<int64_t>(facts.shape(node.input(0)).size());
  const int64_t axis = intAttribute(node, "axis", facts.opset < 13 ? 1 : -1);
  if (facts.opset < 13 && axis != rank - 1 && axis != -1)
    return "over several axes at once, as before opset 13, is not supported";
  return {};
}

/// One value a channel, for all of one row, or for everything.
bool isPerChannel(const Shape& operand, const Shape& result) {
  if (result.size() < 2) return false;
  for (size_t axis = 0; axis < operand.size(); ++axis)
    if (operand[operand.size() - 1 - axis] != 1 &&
        (result.size() - 1 - axis != 1 || operand[operand.size() - 1 - axis] != result[1]))
      return false;
  return true;
}

/// One value a pixel, for all channels.
bool isPerPixel(const Shape& operand, const Shape& result) {
  Shape all = operand;
  if (all.size() > 1 && all[1] == 1) all[1] = result[1];
  return all == result;
}

bool isNumber(const Shape& operand) {
  return std::all_of(operand.begin(), operand.end(), [](int64_t size) { return size == 1; });
}

/// Add, Sub, Mul, Div, Max, Min: constants may have any shape that fits, but for Max and Min, which take a
/// number.
std::string checkBinary(const onnx::NodeProto& node, const StageFacts& facts) {
  const Shape result = facts.shape(node.output(0));
  const bool bounds = node.op_type() == "Max" || node.op_type() == "Min";
  const bool scales = node.op_type() == "Mul" || node.op_type() == "Div";
  if (node.input_size() != 2) return text("has ", node.input_size(), " operands, expected 2");
  for (int i = 0; i < 2; ++i) {
    const Shape operand = facts.shape(node.input(i));
    const std::string found =
        text("operand ", i + 1, " is ", toString(operand), ", the result ", toString(result));
    if (facts.isConstant(node.input(i))) {
      if (facts.isConstant(node.input(1 - i))) return "both operands are constants";
      if (facts.shape(node.input(1 - i)) != result) return found + "; a larger constant is not supported";
      if (bounds && !isNumber(operand)) return found + "; only a number is supported as a constant";
    } else if (operand != result && !facts.isConstant(node.input(1 - i))) {
      const bool fits = operand.size() == result.size() &&
                        (isPerChannel(operand, result) || (scales && isPerPixel(operand, result)));
      if (!fits) return found + "; only one value a channel is supported";
    }
  }
  return {};
}

std::string checkSum(const onnx::NodeProto& node, const StageFacts& facts) {
  for (const auto& input : node.input())
    if (facts.isConstant(input) || facts.shape(input) != facts.shape(node.output(0)))
      return text("operand '", input, "' is a constant or of another shape than the result");
  return {};
}

std::string checkPow(const onnx::NodeProto& node, const StageFacts& facts) {
  const bool number = facts.isConstant(node.input(1)) && isNumber(facts.shape(node.input(1)));
  return number ? "" : "only a constant number is supported as exponent";
}

std::string checkConcat(const onnx::NodeProto& node, const StageFacts& facts) {
  for (const auto& input : node.input())
    if (facts.isConstant(input)) return text("constant input '", input, "' is not supported");
  return {};
}

std::string checkPad(const onnx::NodeProto& node, const StageFacts& facts) {
  const std::string mode = stringAttribute(node, "mode", "constant");
  return mode == "constant" ? needConstants(node, facts) : text("mode ", mode, " is not supported");
}

constexpr SupportedOperator kSupported[] = {
    // one value after the other
    {"Abs", always},
    {"Ceil", always},
    {"Celu", always},
    {"Clip", needConstants},
    {"Dropout", always},
    {"Elu", always},
    {"Erf", always},
    {"Exp", always},
    {"Floor", always},
    {"HardSigmoid", always},
    {"HardSwish", always},
    {"Identity", always},
    {"LeakyRelu", always},
    {"Log", always},
    {"Neg", always},
    {"PRelu", needConstants},
    {"Reciprocal", always},
    {"Relu", always},
    {"Selu", always},
    {"Sigmoid", always},
    {"Softplus", always},
    {"Softsign", always},
    {"Sqrt", always},
    {"Tanh", always},
    {"ThresholdedRelu", always},
    // pairs of values
    {"Add", checkBinary},
    {"Div", checkBinary},
    {"Max", checkBinary},
    {"Min", checkBinary},
    {"Mul", checkBinary},
    {"Pow", checkPow},
    {"Sub", checkBinary},
    {"Sum", checkSum},
    // windows, channels, rows
    {"AveragePool", checkPool},
    {"BatchNormalization", needConstants},
    {"Conv", checkConv},
    {"Gemm", checkGemm},
    {"GlobalAveragePool", always},
    {"GlobalMaxPool", always},
    {"LRN", checkLrn},
    {"LogSoftmax", checkSoftmax},
    {"MatMul", checkMatMul},
    {"MaxPool", checkPool},
    {"ReduceL2", needConstants},
    {"ReduceMax", needConstants},
    {"ReduceMean", needConstants},
    {"ReduceMin", needConstants},
    {"ReduceSum", needConstants},
    {"Softmax", checkSoftmax},
    // shapes
    {"Concat", checkConcat},
    {"Flatten", always},
    {"Pad", checkPad},
    {"Reshape", needConstants},
    {"Slice", needConstants},
    {"Split", needConstants},
    {"Squeeze", needConstants},
    {"Transpose", always},
    {"Unsqueeze", needConstants},
};

std::string whyNot(const onnx::NodeProto& node, const StageFacts& facts) {
  const auto* entry = std::find_if(std::begin(kSupported), std::end(kSupported),
                                   [&](const auto& one) { return node.op_type() == one.onnxType; });
  const bool foreign = !node.domain().empty() && node.domain() != "ai.onnx";
  if (foreign || entry == std::end(kSupported)) return "OpenCV's engine does not have it";
  if (node.input_size() == 0 || node.output_size() == 0) return "it lacks an input or an output";
  for (const auto& output : node.output())
    if (!output.empty() && facts.shapes.count(output) == 0)
      return text("the shape of tensor '", output, "' is not recorded");
  return entry->whyNot(node, facts);
}

}  // namespace

std::string whyNotOpenCv(const onnx::ModelProto& stage) {
  const StageFacts facts(stage, recordedShapes(stage));
  for (const auto& node : stage.graph().node()) {
    const std::string reason = whyNot(node, facts);
    if (reason.empty()) continue;
    const std::string& name = !node.name().empty() || node.output_size() == 0 ? node.name() : node.output(0);
    return text("operator ", node.op_type(), ", node '", name, "': ", reason);
  }
  return {};
}

std::vector<std::string> openCvOperators() {
  std::vector<std::string> names;
  for (const auto& entry : kSupported) names.emplace_back(entry.onnxType);
  return names;
}

}  // namespace rdi::graph
