// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/engine_support.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "graph/attributes.hpp"
#include "graph/box.hpp"
#include "graph/error.hpp"
#include "graph/simplify.hpp"
#include "graph/window.hpp"

namespace rdi::graph {
namespace {

using Check = std::string (*)(const onnx::NodeProto&, const StageFacts&);

struct SupportedOperator {
  const char* onnxType;
  EngineOperator engineOperator;
  int inputCount;  // at least
  Check whyNot;    // shapes of the node's first input and output are known, batch 1, rank 2 or 4
};

int64_t elementCount(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

std::string needConstant(const onnx::NodeProto& node, const StageFacts& facts, int input) {
  if (input >= node.input_size() || node.input(input).empty()) return {};
  if (facts.isConstant(node.input(input))) return {};
  return text("input ", input + 1, " must be a constant");
}

std::string needRank(const onnx::NodeProto& node, const StageFacts& facts, size_t rank) {
  const Shape shape = facts.shape(node.input(0));
  if (shape.size() == rank) return {};
  return text("its input is ", toString(shape), ", only rank ", rank, " is supported");
}

std::string firstOf(std::initializer_list<std::string> reasons) {
  for (const std::string& reason : reasons)
    if (!reason.empty()) return reason;
  return {};
}

std::string windowProblem(const onnx::NodeProto& node, const StageFacts& facts, bool pooling) {
  for (const std::string& tensor : {node.input(0), node.output(0)})
    if (facts.shape(tensor).size() != 4)
      return text("tensor '", tensor, "' is ", toString(facts.shape(tensor)), ", only rank 4 is supported");
  std::array<int64_t, 2> kernel{1, 1};
  if (!pooling) {
    const Shape weights = facts.shape(node.input(1));
    if (weights.size() != 4) return text("its weights are ", toString(weights), ", only rank 4 is supported");
    kernel = {weights[2], weights[3]};
  }
  const std::string autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  const std::vector<std::string> known{"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
  if (std::find(known.begin(), known.end(), autoPad) == known.end())
    return text("auto_pad ", autoPad, " is unknown");
  try {
    const Window window = windowOf(node, facts.shape(node.input(0)), facts.shape(node.output(0)), kernel);
    if (!pooling) return {};
    for (size_t axis = 0; axis < 2; ++axis) {
      if (window.dilations[axis] != 1) return "dilated pooling is not supported";
      if (window.padsBegin[axis] >= window.kernel[axis] || window.padsEnd[axis] >= window.kernel[axis])
        return "padding as large as the pooling window is not supported";
    }
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

std::string checkConv(const onnx::NodeProto& node, const StageFacts& facts) {
  return firstOf(
      {windowProblem(node, facts, false), needConstant(node, facts, 1), needConstant(node, facts, 2)});
}

std::string checkMaxPool(const onnx::NodeProto& node, const StageFacts& facts) {
  if (node.output_size() > 1 && !node.output(1).empty()) return "the indices output is not supported";
  return windowProblem(node, facts, true);
}

std::string checkAveragePool(const onnx::NodeProto& node, const StageFacts& facts) {
  if (intAttribute(node, "ceil_mode", 0) != 0 && intAttribute(node, "count_include_pad", 0) != 0)
    return "ceil_mode together with count_include_pad is not supported";
  return windowProblem(node, facts, true);
}

std::string checkGlobalMean(const onnx::NodeProto& node, const StageFacts& facts) {
  return needRank(node, facts, 4);
}

std::string checkReduceMean(const onnx::NodeProto& node, const StageFacts& facts) {
  if (node.input_size() > 1) return "axes given as an input are not supported";
  std::vector<int64_t> axes = intsAttribute(node, "axes", {});
  for (int64_t& axis : axes) axis = axis < 0 ? axis + 4 : axis;
  std::sort(axes.begin(), axes.end());
  if (axes != std::vector<int64_t>{2, 3}) return "only the mean over height and width is supported";
  return needRank(node, facts, 4);
}

std::string checkBatchNormalization(const onnx::NodeProto& node, const StageFacts& facts) {
  if (node.output_size() > 1 && !node.output(1).empty()) return "training outputs are not supported";
  return firstOf({needRank(node, facts, 4), needConstant(node, facts, 1), needConstant(node, facts, 2),
                  needConstant(node, facts, 3), needConstant(node, facts, 4)});
}

std::string checkGemm(const onnx::NodeProto& node, const StageFacts& facts) {
  if (intAttribute(node, "transA", 0) != 0) return "transA is not supported";
  const Shape weights = facts.shape(node.input(1));
  if (weights.size() != 2) return text("its weights are ", toString(weights), ", only rank 2 is supported");
  if (node.input_size() > 2 && !node.input(2).empty()) {
    const int64_t biasCount = elementCount(facts.shape(node.input(2)));
    if (biasCount != 1 && biasCount != facts.shape(node.output(0)).at(1))
      return text("its bias has ", biasCount, " values, expected 1 or one a class");
  }
  return firstOf({needRank(node, facts, 2), needConstant(node, facts, 1), needConstant(node, facts, 2)});
}

std::string checkActivation(const onnx::NodeProto& node, const StageFacts& facts) {
  if (node.op_type() != "Clip") return {};
  for (int input = 1; input < node.input_size(); ++input) {
    const std::string reason = needConstant(node, facts, input);
    if (!reason.empty()) return reason;
  }
  return {};
}

std::string checkBinary(const onnx::NodeProto& node, const StageFacts& facts) {
  if (facts.isConstant(node.input(0))) return "a constant first operand is not supported";
  const Shape result = facts.shape(node.output(0));
  if (facts.shape(node.input(0)) != result) return "broadcasting of the first operand is not supported";
  const Shape operand = facts.shape(node.input(1));
  if (!facts.isConstant(node.input(1)) && operand.size() != result.size())
    return text("its operands are ", toString(result), " and ", toString(operand), "; the ranks must agree");
  if (operand.size() > result.size()) return "the second operand has more dimensions than the first";
  for (size_t axis = 0; axis < operand.size(); ++axis) {
    const int64_t extent = operand[operand.size() - 1 - axis];
    if (extent != 1 && extent != result[result.size() - 1 - axis])
      return text("operands ", toString(result), " and ", toString(operand), " do not fit");
  }
  return {};
}

std::string checkConcat(const onnx::NodeProto& node, const StageFacts& facts) {
  const Shape result = facts.shape(node.output(0));
  const int64_t axis = intAttribute(node, "axis", 1);
  if (axis != 1 && axis + static_cast<int64_t>(result.size()) != 1)
    return "only concatenation of channels is supported";
  for (const std::string& input : node.input()) {
    if (facts.isConstant(input)) return text("constant input '", input, "' is not supported");
    if (facts.shape(input).size() != result.size()) return text("the shape of '", input, "' does not fit");
  }
  return {};
}

std::string checkSoftmax(const onnx::NodeProto& node, const StageFacts& facts) {
  const int64_t axis = intAttribute(node, "axis", facts.opset < 13 ? 1 : -1);
  if (axis != 1 && axis != -1) return text("axis ", axis, " is not supported");
  return needRank(node, facts, 2);
}

std::string checkExcerpt(const onnx::NodeProto& node, const StageFacts& facts) {
  const Shape source = facts.shape(node.input(0)), result = facts.shape(node.output(0));
  if (source.size() != result.size()) return "source and result differ in rank";
  try {
    const Box box = boxOf(node, source, [&](const std::string& tensor) { return facts.constant(tensor); });
    return box.begin[0] != 0 || box.step[0] != 1 ? "the batch is cut or padded" : "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string checkFlatten(const onnx::NodeProto& node, const StageFacts& facts) {
  const Shape source = facts.shape(node.input(0));
  const Shape result = facts.shape(node.output(0));
  const bool onePixel = result.size() == 4 && result[2] == 1 && result[3] == 1;
  if ((result.size() == 2 || onePixel) && result[1] == elementCount(source)) return {};
  return text("turns ", toString(source), " into ", toString(result),
              "; only one row or one pixel is supported");
}

constexpr SupportedOperator kSupported[] = {
    {"Conv", EngineOperator::convolution, 2, checkConv},
    {"Gemm", EngineOperator::affine, 2, checkGemm},
    {"MatMul", EngineOperator::affine, 2, checkGemm},
    {"BatchNormalization", EngineOperator::channelScale, 5, checkBatchNormalization},
    {"MaxPool", EngineOperator::maxPool, 1, checkMaxPool},
    {"AveragePool", EngineOperator::averagePool, 1, checkAveragePool},
    {"GlobalAveragePool", EngineOperator::mean, 1, checkGlobalMean},
    {"ReduceMean", EngineOperator::mean, 1, checkReduceMean},
    {"Relu", EngineOperator::activation, 1, checkActivation},
    {"LeakyRelu", EngineOperator::activation, 1, checkActivation},
    {"Elu", EngineOperator::activation, 1, checkActivation},
    {"Clip", EngineOperator::activation, 1, checkActivation},
    {"Sigmoid", EngineOperator::activation, 1, checkActivation},
    {"Tanh", EngineOperator::activation, 1, checkActivation},
    {"Add", EngineOperator::binary, 2, checkBinary},
    {"Sub", EngineOperator::binary, 2, checkBinary},
    {"Mul", EngineOperator::binary, 2, checkBinary},
    {"Div", EngineOperator::binary, 2, checkBinary},
    {"Concat", EngineOperator::concat, 1, checkConcat},
    {"Softmax", EngineOperator::softmax, 1, checkSoftmax},
    {"Pad", EngineOperator::excerpt, 1, checkExcerpt},
    {"Slice", EngineOperator::excerpt, 1, checkExcerpt},
    {"Flatten", EngineOperator::flatten, 1, checkFlatten},
    {"Reshape", EngineOperator::flatten, 1, checkFlatten},
    {"Squeeze", EngineOperator::flatten, 1, checkFlatten},
    {"Unsqueeze", EngineOperator::flatten, 1, checkFlatten},
};

const SupportedOperator* find(const onnx::NodeProto& node) {
  if (!node.domain().empty() && node.domain() != "ai.onnx") return nullptr;
  for (const SupportedOperator& entry : kSupported)
    if (node.op_type() == entry.onnxType) return &entry;
  return nullptr;
}

std::string describe(const onnx::NodeProto& node) {
  const std::string& name = !node.name().empty() || node.output_size() == 0 ? node.name() : node.output(0);
  return text("operator ", node.op_type(), ", node '", name, "': ");
}

/// Empty, or what is wrong with a tensor the engine would have to hold.
std::string tensorProblem(const std::string& tensor, const StageFacts& facts) {
  const Shape shape = facts.shape(tensor);
  if (shape.empty()) return text("the shape of tensor '", tensor, "' is not recorded");
  if (shape.size() != 2 && shape.size() != 4)
    return text("tensor '", tensor, "' is ", toString(shape), ", only rank 2 and 4 are supported");
  if (shape[0] != 1) return text("tensor '", tensor, "' is ", toString(shape), ", expected batch 1");
  if (*std::min_element(shape.begin(), shape.end()) < 1)
    return text("tensor '", tensor, "' is ", toString(shape));
  return {};
}

}  // namespace

StageFacts::StageFacts(const onnx::ModelProto& stage, ShapeMap recorded) : shapes(std::move(recorded)) {
  for (const onnx::TensorProto& tensor : stage.graph().initializer()) constants[tensor.name()] = &tensor;
  for (const onnx::OperatorSetIdProto& set : stage.opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx") opset = set.version();
}

Shape StageFacts::shape(const std::string& tensor) const {
  const auto constant = constants.find(tensor);
  if (constant != constants.end()) return {constant->second->dims().begin(), constant->second->dims().end()};
  const auto found = shapes.find(tensor);
  return found == shapes.end() ? Shape{} : found->second;
}

EngineOperator engineOperator(const onnx::NodeProto& node) {
  const SupportedOperator* entry = find(node);
  if (entry == nullptr) throw Error(text(describe(node), "unknown to the oneDNN engine"));
  return entry->engineOperator;
}

std::string whyNotOneDnn(const onnx::NodeProto& node, const StageFacts& facts) {
  const SupportedOperator* entry = find(node);
  if (entry == nullptr) return text(describe(node), "the oneDNN engine does not have it");
  if (node.input_size() < entry->inputCount || node.output_size() == 0)
    return text(describe(node), "it lacks an input or an output");
  if (facts.isConstant(node.input(0))) return text(describe(node), "a constant first input is not supported");
  for (const std::string& tensor : {node.input(0), node.output(0)}) {
    const std::string problem = tensorProblem(tensor, facts);
    if (!problem.empty()) return text(describe(node), problem);
  }
  const std::string reason = entry->whyNot(node, facts);
  return reason.empty() ? std::string() : text(describe(node), reason);
}

std::string whyNotOneDnn(const onnx::ModelProto& stage) {
  onnx::ModelProto simplified = stage;
  simplify(simplified);
  const StageFacts facts(simplified, recordedShapes(stage));
  for (const onnx::NodeProto& node : simplified.graph().node()) {
    const std::string reason = whyNotOneDnn(node, facts);
    if (!reason.empty()) return reason;
  }
  for (const onnx::ValueInfoProto& value : simplified.graph().input()) {
    if (facts.isConstant(value.name())) continue;
    if (value.type().tensor_type().elem_type() != onnx::TensorProto::FLOAT)
      return text("input '", value.name(), "' is not of type float");
    const std::string problem = tensorProblem(value.name(), facts);
    if (!problem.empty()) return problem;
  }
  return {};
}

}  // namespace rdi::graph
