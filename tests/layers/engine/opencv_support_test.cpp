// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// The table of what OpenCV's engine can run, tried on OpenCV: what the table accepts is computed as ONNX
// defines it, for every operator in the table; what it refuses OpenCV refuses, too, or gets wrong.

#include "graph/opencv_support.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <opencv2/core.hpp>
#include <set>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/shapes.hpp"
#include "layers/engine/stage_engine.hpp"
#include "tests/graph/foreign_models.hpp"
#include "tests/graph/naive_run.hpp"
#include "tests/layers/model_builder.hpp"

namespace rdi {
namespace {

using graph::Shape;
using test::ModelBuilder;
using Names = std::vector<std::string>;

const Shape kPicture{1, 6, 5, 4}, kRow{1, 12};

struct Case {
  std::string name;  // the operator, and what is special
  std::function<Names(ModelBuilder&)> build;
  int64_t opset = 11;
};

void PrintTo(const Case& one, std::ostream* stream) { *stream << one.name; }

using Setup = std::function<void(onnx::NodeProto&)>;

template <typename Value>
Setup with(const std::string& name, const Value& value) {
  return [=](onnx::NodeProto& node) { graph::setAttribute(node, name, value); };
}

/// One node that reads an input of this shape; values in -1 .. 1, or 0.1 .. 1 where it takes no others.
Case unary(const std::string& type, const std::string& how = "", const Shape& shape = kPicture,
           const Setup& setup = {}, bool positive = false) {
  return {type + how, [=](ModelBuilder& net) {
            std::string x = net.input("x", shape);
            if (positive) x = net.add("Sigmoid", {x});
            const std::string y = net.add(type, {x});
            if (setup) setup(net.node());
            return Names{y};
          }};
}

/// Two inputs.
Case binary(const std::string& type, const std::string& how, const Shape& left, const Shape& right,
            bool positive = false) {
  return {type + how, [=](ModelBuilder& net) {
            std::string x = net.input("x", left), y = net.input("y", right);
            if (positive) x = net.add("Sigmoid", {x});
            return Names{net.add(type, {x, net.add("Sigmoid", {y})})};
          }};
}

/// An input and a constant.
Case withConstant(const std::string& type, const std::string& how, const Shape& shape, const Shape& constant,
                  bool first = false) {
  return {type + how, [=](ModelBuilder& net) {
            std::string x = net.input("x", shape);
            if (first || type == "Pow") x = net.add("Sigmoid", {x});
            std::vector<float> values(static_cast<size_t>(test::elementCount(constant)));
            for (size_t i = 0; i < values.size(); ++i) values[i] = 0.5f + 0.25f * static_cast<float>(i % 7);
            const std::string y = net.constant(constant, values);
            return Names{first ? net.add(type, {y, x}) : net.add(type, {x, y})};
          }};
}

/// A node of one input and whole-number operands.
Case shaped(const std::string& type, const std::string& how, const Shape& shape,
            const std::vector<Shape>& operands, const Setup& setup = {}) {
  return {type + how, [=](ModelBuilder& net) {
            Names inputs{net.input("x", shape)};
            for (const auto& operand : operands) inputs.push_back(net.intConstant(operand));
            const std::string y = net.add(type, inputs);
            if (setup) setup(net.node());
            return Names{y};
          }};
}

Case convolution(const std::string& how, int64_t groups, const Setup& setup) {
  return {
      "Conv" + how, [=](ModelBuilder& net) {
        const std::string x = net.input("x", {1, 6, 9, 8});
        const std::string y = net.add("Conv", {x, net.weights({12, 6 / groups, 3, 3}), net.weights({12})});
        graph::setAttribute(net.node(), "kernel_shape", Shape{3, 3});
        graph::setAttribute(net.node(), "group", groups);
        setup(net.node());
        return Names{y};
      }};
}

Case softmaxOf(const std::string& type, const std::string& how, const Shape& shape, int64_t axis) {
  return unary(type, how, shape, with("axis", axis));
}

std::vector<Case> allCases() {
  std::vector<Case> cases;
  const auto add = [&](Case one) { cases.push_back(std::move(one)); };
  for (const char* type : {"Relu",     "LeakyRelu",   "Elu",       "Selu",     "Celu",     "ThresholdedRelu",
                           "Sigmoid",  "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Tanh",
                           "Erf",      "Exp",         "Abs",       "Neg",      "Floor",    "Ceil",
                           "Identity", "Dropout",     "Clip"}) {
    add(unary(type));
    add(unary(type, ", of a row", kRow));
  }
  for (const char* type : {"Log", "Sqrt", "Reciprocal"}) add(unary(type, "", kPicture, {}, true));
  add(withConstant("PRelu", ", one slope a channel", kPicture, {6, 1, 1}));
  add({"Clip, bounded", [](ModelBuilder& net) {
         return Names{net.add(
             "Clip", {net.input("x", kPicture), net.constant({}, {-0.25f}), net.constant({}, {0.5f})})};
       }});
  for (const char* type : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"}) {
    add(binary(type, "", kPicture, kPicture));
    add(binary(type, ", of rows", kRow, kRow));
    if (std::string(type) == "Sum") continue;
    add(withConstant(type, ", a number", kPicture, {}));
    add(withConstant(type, ", one a channel", kPicture, {6, 1, 1}));
    add(withConstant(type, ", one a channel, rank 4", kPicture, {1, 6, 1, 1}));
    add(withConstant(type, ", one a pixel of a row", kPicture, {4}));
    add(withConstant(type, ", a whole picture", kPicture, kPicture));
    add(withConstant(type, ", of a row, a number", kRow, {}));
    add(withConstant(type, ", of a row, a row", kRow, {12}));
    add(withConstant(type, ", a number first", kPicture, {}, true));
    add(withConstant(type, ", one a channel first", kPicture, {6, 1, 1}, true));
    add(withConstant(type, ", of a row, a row first", kRow, {12}, true));
    add(binary(type, ", one a channel by the second", kPicture, {1, 6, 1, 1}));
    add(binary(type, ", one a channel by the first", {1, 6, 1, 1}, kPicture));
    add(binary(type, ", one a pixel by the second", kPicture, {1, 1, 5, 4}));
    add(binary(type, ", one a pixel by the first", {1, 1, 5, 4}, kPicture));
  }
  add({"Sum, of three", [](ModelBuilder& net) {
         return Names{
             net.add("Sum", {net.input("x", kPicture), net.input("y", kPicture), net.input("z", kPicture)})};
       }});
  add(withConstant("Pow", ", a number", kPicture, {}));
  add(binary("Pow", "", kPicture, kPicture, true));
  add(convolution("", 1, with("pads", Shape{1, 1, 1, 1})));
  add(convolution(", grouped", 2, with("pads", Shape{1, 1, 1, 1})));
  add(convolution(", depthwise", 6, with("pads", Shape{1, 1, 1, 1})));
  add(convolution(", dilated", 1, with("dilations", Shape{2, 2})));
  add(convolution(", uneven pads", 1, with("pads", Shape{0, 1, 2, 1})));
  add(convolution(", strides", 1, with("strides", Shape{2, 3})));
  for (const char* type : {"MaxPool", "AveragePool"}) {
    const Shape shape{1, 6, 9, 8}, kernel{3, 3}, strides{2, 2};
    const auto both = [=](const Setup& more) {
      return [=](onnx::NodeProto& node) {
        graph::setAttribute(node, "kernel_shape", kernel);
        graph::setAttribute(node, "strides", strides);
        if (more) more(node);
      };
    };
    add(unary(type, "", shape, both({})));
    add(unary(type, ", padded", shape, both(with("pads", Shape{1, 1, 1, 1}))));
    add(unary(type, ", uneven pads", shape, both(with("pads", Shape{0, 0, 1, 1}))));
    add(unary(type, ", ceil_mode", {1, 6, 10, 8}, both(with("ceil_mode", int64_t{1}))));
    add(unary(type, ", SAME_UPPER", shape, both(with("auto_pad", std::string("SAME_UPPER")))));
    add(unary(type, ", SAME_LOWER", shape, both(with("auto_pad", std::string("SAME_LOWER")))));
  }
  add(unary("AveragePool", ", padding counts", {1, 6, 9, 8}, [](onnx::NodeProto& node) {
    graph::setAttribute(node, "kernel_shape", Shape{3, 3});
    graph::setAttribute(node, "pads", Shape{1, 1, 1, 1});
    graph::setAttribute(node, "count_include_pad", int64_t{1});
  }));
  add(unary("GlobalAveragePool"));
  add(unary("GlobalMaxPool"));
  add({"Gemm", [](ModelBuilder& net) { return Names{net.gemm(net.input("x", kRow), 12, 5)}; }});
  add({"Gemm, weights in x out", [](ModelBuilder& net) {
         return Names{net.add("Gemm", {net.input("x", kRow), net.weights({12, 5}), net.weights({5})})};
       }});
  add({"Gemm, alpha and beta, one bias", [](ModelBuilder& net) {
         const auto y = net.add("Gemm", {net.input("x", kRow), net.weights({12, 5}), net.constant({1}, {2})});
         graph::setAttribute(net.node(), "alpha", 0.5f);
         graph::setAttribute(net.node(), "beta", 0.25f);
         return Names{y};
       }});
  add({"Gemm, transA", [](ModelBuilder& net) {
         const auto column = net.add("Reshape", {net.input("x", kRow), net.intConstant({12, 1})});
         const auto y = net.add("Gemm", {column, net.weights({12, 5})});
         graph::setAttribute(net.node(), "transA", int64_t{1});
         return Names{y};
       }});
  add({"Gemm, of two inputs", [](ModelBuilder& net) {
         return Names{net.add("Gemm", {net.input("x", kRow), net.input("y", {12, 5})})};
       }});
  add({"MatMul", [](ModelBuilder& net) {
         return Names{net.add("MatMul", {net.input("x", kRow), net.weights({12, 5})})};
       }});
  add({"MatMul, of two inputs", [](ModelBuilder& net) {
         return Names{net.add("MatMul", {net.input("x", {1, 12}), net.input("y", {12, 5})})};
       }});
  add({"BatchNormalization", [](ModelBuilder& net) {
         return Names{net.add("BatchNormalization",
                              {net.input("x", kPicture), net.weights({6}), net.weights({6}), net.weights({6}),
                               net.constant({6}, {1, 2, 0.5f, 1, 1.5f, 0.7f})})};
       }});
  add({"BatchNormalization, of a row", [](ModelBuilder& net) {
         return Names{net.add("BatchNormalization",
                              {net.input("x", {1, 6}), net.weights({6}), net.weights({6}), net.weights({6}),
                               net.constant({6}, {1, 2, 0.5f, 1, 1.5f, 0.7f})})};
       }});
  add(unary("LRN", "", kPicture, with("size", int64_t{3})));
  add(unary("LRN", ", even size", kPicture, with("size", int64_t{4})));
  for (const char* type : {"Softmax", "LogSoftmax"}) {
    add(softmaxOf(type, "", kRow, 1));
    add(softmaxOf(type, ", last axis", kRow, -1));
    add(softmaxOf(type, ", of a picture", kPicture, 1));
  }
  for (const char* type : {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2"})
    for (const int64_t keep : {0, 1}) {
      const std::string how = keep ? ", kept" : "";
      add(shaped(type, ", over pixels" + how, kPicture, {}, [=](onnx::NodeProto& node) {
        graph::setAttribute(node, "axes", Shape{2, 3});
        graph::setAttribute(node, "keepdims", keep);
      }));
      add(shaped(type, ", over channels" + how, kPicture, {}, [=](onnx::NodeProto& node) {
        graph::setAttribute(node, "axes", Shape{1});
        graph::setAttribute(node, "keepdims", keep);
      }));
      add(shaped(type, ", over rows" + how, kPicture, {}, [=](onnx::NodeProto& node) {
        graph::setAttribute(node, "axes", Shape{-2});
        graph::setAttribute(node, "keepdims", keep);
      }));
    }
  add(unary("Flatten"));
  add(unary("Flatten", ", axis 2", kPicture, with("axis", int64_t{2})));
  add(shaped("Reshape", "", kPicture, {{1, 120}}));
  add(shaped("Reshape", ", rest open", kPicture, {{0, -1}}));
  add(shaped("Reshape", ", to five axes", kPicture, {{1, 2, 3, 5, 4}}));
  add(shaped("Reshape", ", to a picture", {1, 120}, {{-1, 6, 5, 4}}));
  add(shaped("Squeeze", "", {1, 6, 1, 1}, {}, with("axes", Shape{2, 3})));
  add(shaped("Squeeze", ", one axis", {1, 6, 1, 4}, {}, with("axes", Shape{-2})));
  add(shaped("Unsqueeze", ", one axis", kRow, {}, with("axes", Shape{2})));
  add(shaped("Unsqueeze", ", two axes", kRow, {}, with("axes", Shape{2, 3})));
  add(unary("Transpose", ", channels last", kPicture, with("perm", Shape{0, 2, 3, 1})));
  add(unary("Transpose", ", five axes", {1, 2, 3, 5, 4}, with("perm", Shape{0, 2, 1, 3, 4})));
  add(unary("Transpose", ", three axes", {1, 12, 5}, with("perm", Shape{0, 2, 1})));
  for (const int64_t axis : {1, 2, -1})
    add({"Concat, axis " + std::to_string(axis), [=](ModelBuilder& net) {
           const auto y = net.add("Concat", {net.input("x", kPicture), net.input("y", kPicture)});
           graph::setAttribute(net.node(), "axis", axis);
           return Names{y};
         }});
  add({"Concat, of rows", [](ModelBuilder& net) {
         const auto y = net.add("Concat", {net.input("x", kRow), net.input("y", {1, 3})});
         graph::setAttribute(net.node(), "axis", int64_t{1});
         return Names{y};
       }});
  add({"Concat, with a constant", [](ModelBuilder& net) {
         const auto y = net.add("Concat", {net.input("x", kRow), net.weights({1, 3})});
         graph::setAttribute(net.node(), "axis", int64_t{1});
         return Names{y};
       }});
  add(shaped("Slice", ", of channels", kPicture, {{1}, {4}, {1}}));
  add(shaped("Slice", ", every second", {1, 6, 9, 8}, {{0, 0}, {9, 8}, {2, 3}, {2, 2}}));
  add(shaped("Pad", "", kPicture, {{0, 0, 1, 2, 0, 0, 2, 1}}));
  add(shaped("Pad", ", of channels", kPicture, {{0, 2, 0, 0, 0, 1, 0, 0}}));
  add({"Pad, with a value", [](ModelBuilder& net) {
         return Names{net.add("Pad", {net.input("x", kPicture), net.intConstant({0, 0, 1, 1, 0, 0, 1, 1}),
                                      net.constant({}, {0.5f})})};
       }});
  add({"Split", [](ModelBuilder& net) {
         const auto y = net.add("Split", {net.input("x", kPicture)});
         graph::setAttribute(net.node(), "axis", int64_t{1});
         net.node().add_output(y + "_second");
         return Names{y, y + "_second"};
       }});
  add({"Split, uneven", [](ModelBuilder& net) {
         const auto y = net.add("Split", {net.input("x", kPicture)});
         graph::setAttribute(net.node(), "axis", int64_t{1});
         graph::setAttribute(net.node(), "split", Shape{4, 2});
         net.node().add_output(y + "_second");
         return Names{y, y + "_second"};
       }});
  add({"Gather", [](ModelBuilder& net) {
         const auto y = net.add("Gather", {net.input("x", kPicture), net.intConstant({4, 0, 2})});
         graph::setAttribute(net.node(), "axis", int64_t{1});
         return Names{y};
       }});
  for (auto& one : cases)
    if (one.name.rfind("HardSwish", 0) == 0 || one.name.rfind("Celu", 0) == 0) one.opset = 14;
  for (const std::string type : {"Softmax", "LogSoftmax"}) {
    add(softmaxOf(type, ", of a picture since opset 13", kPicture, 1));
    cases.back().opset = 13;
    add(softmaxOf(type, ", of pixels since opset 13", kPicture, 3));
    cases.back().opset = 13;
  }
  // Squeeze-and-excitation: gates that look like an activation of the features themselves.
  for (const char* gate : {"Sigmoid", "HardSigmoid"})
    for (const bool first : {false, true})
      add({std::string("Mul, by a ") + gate + (first ? " first" : ""), [=](ModelBuilder& net) {
             const auto x = net.add("Relu", {net.conv(net.input("x", kPicture), 6, 6, 1)});
             const auto logits = net.conv(net.add("GlobalAveragePool", {x}), 6, 6, 1);
             const auto y = net.add(gate, {logits});
             if (gate == std::string("HardSigmoid")) graph::setAttribute(net.node(), "alpha", 1.0f / 6);
             return Names{first ? net.add("Mul", {y, x}) : net.add("Mul", {x, y})};
           }});
  return cases;
}

onnx::ModelProto stageOf(const Case& one) {
  ModelBuilder net(one.opset);
  const auto outputs = one.build(net);
  onnx::ModelProto stage = net.stage(outputs);
  return stage;
}

/// Empty when OpenCV's engine computes what ONNX defines; else what it says or how far it is off.
std::string whatOpenCvGetsWrong(const onnx::ModelProto& stage) {
  const auto shapes = graph::recordedShapes(stage);
  std::map<std::string, test::Tensor> inputs;
  std::vector<std::vector<float>> rows, results;
  std::vector<engine::Layout> layouts;
  uint64_t seed = 1;
  for (const auto& input : stage.graph().input()) {
    auto tensor = test::randomInput(shapes.at(input.name()), seed++);
    for (auto& value : tensor.values) value = static_cast<float>(2 * value - 1);
    inputs[input.name()] = tensor;
    rows.emplace_back(tensor.values.begin(), tensor.values.end());
    layouts.push_back(tensor.shape.size() == 4 ? engine::Layout::nchw : engine::Layout::plain);
  }
  const auto expected = test::runNaively(stage, inputs);
  std::vector<const float*> from;
  std::vector<float*> to;
  for (const auto& row : rows) from.push_back(row.data());
  for (const auto& output : stage.graph().output())
    results.emplace_back(static_cast<size_t>(test::elementCount(shapes.at(output.name()))), NAN);
  for (auto& result : results) to.push_back(result.data());
  try {
    engine::makeOpenCvEngine(stage, layouts)->runRow(0, from.data(), to.data());
  } catch (const std::exception& error) {
    return error.what();
  }
  for (int i = 0; i < stage.graph().output_size(); ++i) {
    auto reference = expected.at(stage.graph().output(i).name());
    if (reference.shape.size() == 4) reference = test::channelsLast(reference);
    const auto& values = results[static_cast<size_t>(i)];
    const double difference =
        test::relativeDifference(reference, {reference.shape, {values.begin(), values.end()}});
    if (!(difference < 1e-4)) return "is off by " + std::to_string(difference);
  }
  return {};
}

class OpenCvSupport : public testing::TestWithParam<Case> {};

TEST_P(OpenCvSupport, IsWhatOpenCvReallyDoes) {
  const auto stage = stageOf(GetParam());
  const std::string refused = graph::whyNotOpenCv(stage), wrong = whatOpenCvGetsWrong(stage);
  if (refused.empty()) {
    EXPECT_EQ(wrong, "");
  } else {
    const std::string type = stage.graph().node(stage.graph().node_size() - 1).op_type();
    EXPECT_EQ(refused.rfind("operator " + type + ", node '", 0), 0u) << refused;
    // A newer OpenCV may have learnt it; the oldest that is supported decides.
    if (CV_VERSION_MAJOR == 4 && CV_VERSION_MINOR == 6) EXPECT_NE(wrong, "") << refused;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryOperator, OpenCvSupport, testing::ValuesIn(allCases()),
                         [](const auto& parameter) {
                           std::string name;
                           for (const char letter : parameter.param.name)
                             if (std::isalnum(static_cast<unsigned char>(letter))) name += letter;
                           return name + std::to_string(parameter.index);
                         });

TEST(OpenCvSupportTable, HasACaseForEveryOperator) {
  std::set<std::string> tried;
  for (const auto& one : allCases()) {
    const auto stage = stageOf(one);
    if (!graph::whyNotOpenCv(stage).empty()) continue;
    for (const auto& node : stage.graph().node()) tried.insert(node.op_type());
  }
  for (const auto& type : graph::openCvOperators()) EXPECT_EQ(tried.count(type), 1u) << type;
}

}  // namespace
}  // namespace rdi
