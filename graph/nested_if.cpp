// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/nested_if.hpp"

#include <onnx/checker.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/exit_chain.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"

namespace rdi::graph {

namespace {

constexpr int64_t kLeastIrVersion =
    4;  // from here on initializers need not be inputs, so sub-graphs can hold some

int64_t opsetOf(const onnx::ModelProto& model) {
  for (const auto& opset : model.opset_import())
    if (opset.domain().empty() || opset.domain() == "ai.onnx") return opset.version();
  return 0;
}

onnx::TensorProto doubleTensor(double value) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::DOUBLE);
  tensor.set_raw_data(&value, sizeof value);
  return tensor;
}

/// Appends operators to one graph of the nest; every result is named `stem` + its meaning.
class Emitter {
public:
  Emitter(onnx::GraphProto& graph, std::string stem, int64_t opset)
      : graph_(graph), stem_(std::move(stem)), opset_(opset) {}

  onnx::NodeProto& add(const std::string& type, const std::vector<std::string>& inputs,
                       const std::string& output) {
    auto& node = *graph_.add_node();
    node.set_op_type(type);
    node.set_name(output);
    for (const auto& input : inputs) node.add_input(input);
    node.add_output(output);
    return node;
  }
  std::string op(const std::string& type, const std::vector<std::string>& inputs,
                 const std::string& meaning) {
    return add(type, inputs, stem_ + meaning).output(0);
  }
  std::string cast(const std::string& input, onnx::TensorProto::DataType type, const std::string& meaning) {
    auto& node = add("Cast", {input}, stem_ + meaning);
    setAttribute(node, "to", static_cast<int64_t>(type));
    return node.output(0);
  }
  std::string reduce(const std::string& type, const std::string& input, const std::string& meaning) {
    auto& node = add(type, {input}, stem_ + meaning);  // without axes: over all of them, in every opset
    setAttribute(node, "keepdims", int64_t{0});
    return node.output(0);
  }
  std::string constant(onnx::TensorProto tensor, const std::string& meaning) {
    tensor.set_name(stem_ + meaning);
    *graph_.add_initializer() = tensor;
    return tensor.name();
  }
  std::string constant(float value, const std::string& meaning) {
    return constant(floatTensor("", {}, {value}), meaning);
  }

  /// The class with the largest value, the first of equals.
  std::string answer(const std::string& input) {
    auto& node = add("ArgMax", {input}, stem_ + "answer");
    setAttribute(node, "axis", int64_t{1});
    setAttribute(node, "keepdims", int64_t{0});
    return node.output(0);
  }

  /// 1 x 2: the two largest.
  std::string topTwo(const std::string& input) {
    auto& node = add("TopK", {input}, stem_ + "largest_two");
    node.add_output(stem_ + "largest_two_classes");
    setAttribute(node, "axis", int64_t{1});
    if (opset_ < 10)
      setAttribute(node, "k", int64_t{2});
    else
      node.add_input(constant(intTensor("", {1}, {2}), "two"));
    return stem_ + "largest_two";
  }

private:
  onnx::GraphProto& graph_;
  std::string stem_;
  int64_t opset_;
};

class NestBuilder {
public:
  explicit NestBuilder(const ExitChain& chain)
      : chain_(chain), shapes_(inferShapes(chain.model)), opset_(opsetOf(chain.model)) {
    for (const auto& [name, shape] : shapes_)
      if (name.rfind(kNestedIfPrefix, 0) == 0)
        throw Error(text("tensor '", name, "' has a name that the conditions need (", kNestedIfPrefix,
                         "...); rename it"));
  }

  onnx::ModelProto build() {
    onnx::ModelProto model;
    model.set_ir_version(std::max(chain_.model.ir_version(), kLeastIrVersion));
    model.set_producer_name("rdi");
    *model.mutable_opset_import() = chain_.model.opset_import();
    auto& graph = *model.mutable_graph();
    graph.set_name(chain_.model.graph().name());
    const std::string input = inputName(chain_.model);
    declareTensor(*graph.add_input(), input, shapes_.at(input));
    addStep(0, graph, "");
    return model;
  }

private:
  /// Writes exit k and all after it into `graph`, whose outputs are `scores` and `exit` with this ending.
  void addStep(size_t k, onnx::GraphProto& graph, const std::string& ending) {
    const std::string& exit = chain_.exits[k];
    const bool main = k + 1 == chain_.exits.size();
    const bool deciding = !main && canLeave(k);
    const bool asked = !main && chain_.rule.patience > 1;  // later exits must agree with this one
    addPart(graph, chain_.segments[k].stage);
    Emitter emit(graph, kNestedIfPrefix + exit + "/", opset_);
    std::string fused;
    if (main || deciding || asked || chain_.rule.fusion == Fusion::mean) {
      addPart(graph, chain_.segments[k].branch);
      if (!main || chain_.rule.fusion == Fusion::mean) fused = probabilities(emit, k);
    }
    if (asked) answers_.push_back(emit.answer(fused));
    const std::string scores = "scores" + ending, taken = "exit" + ending;
    if (main) return addAnswer(graph, k, fused, scores, taken);
    if (!deciding) return addStep(k + 1, graph, ending);
    auto& node = emit.add("If", {condition(emit, k, fused)}, scores);
    node.set_name("leave_" + exit);
    node.add_output(taken);
    addAnswer(addBranch(node, "then_branch", "leave_" + exit), k, fused, "scores_at_" + exit,
              "exit_at_" + exit);
    const std::string after = "_after_" + exit;
    addStep(k + 1, addBranch(node, "else_branch", "stay" + after), after);
    declareOutputs(graph, scores, taken);
  }

  static onnx::GraphProto& addBranch(onnx::NodeProto& node, const std::string& attributeName,
                                     const std::string& graphName) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(attributeName);
    attribute.set_type(onnx::AttributeProto::GRAPH);
    attribute.mutable_g()->set_name(graphName);
    return *attribute.mutable_g();
  }

  /// An exit before the `patience`-th is closed unless its threshold is infinite.
  bool canLeave(size_t k) const {
    const float threshold = chain_.rule.thresholds[k];
    if (std::isinf(threshold)) return threshold > 0;
    return k + 1 >= static_cast<size_t>(chain_.rule.patience);
  }

  void addPart(onnx::GraphProto& graph, const Part& part) {
    std::set<std::string> read;
    for (const int index : part.nodes) {
      const auto& node = chain_.model.graph().node(index);
      *graph.add_node() = node;
      read.insert(node.input().begin(), node.input().end());
    }
    // What an outer graph holds already, the inner ones see.
    for (const auto& tensor : chain_.model.graph().initializer())
      if (read.count(tensor.name()) && held_.insert(tensor.name()).second) *graph.add_initializer() = tensor;
  }

  /// The class probabilities of exit k after fusion, as fusedProbabilities() computes them: exponentials and
  /// their sum in double, everything else in float.
  std::string probabilities(Emitter& emit, size_t k) {
    std::string own = chain_.exits[k];
    if (chain_.rule.scores == Scores::logits) {
      constexpr auto kDouble = onnx::TensorProto::DOUBLE;
      constexpr auto kFloat = onnx::TensorProto::FLOAT;
      const std::string wide = emit.cast(own, kDouble, "logits");
      const std::string shifted =
          emit.op("Sub", {wide, emit.reduce("ReduceMax", wide, "largest_logit")}, "shifted");
      const std::string raised = emit.op("Exp", {shifted}, "exponentials");
      const std::string total = emit.reduce("ReduceSum", raised, "total");
      const std::string rounded = emit.cast(emit.cast(raised, kFloat, "rounded"), kDouble, "widened");
      own = emit.cast(emit.op("Div", {rounded, total}, "quotients"), kFloat, "softmax");
    }
    if (chain_.rule.fusion == Fusion::last) return own;
    sum_ = k == 0 ? own : emit.op("Add", {sum_, own}, "sum");
    return emit.op("Div", {sum_, emit.constant(static_cast<float>(k + 1), "count")}, "mean");
  }

  std::string condition(Emitter& emit, size_t k, const std::string& fused) const {
    const std::string threshold = emit.constant(chain_.rule.thresholds[k], "threshold");
    std::string leaves = emit.op("Less", {uncertainty(emit, fused), threshold}, "sure");
    if (chain_.rule.criterion != Criterion::entropy) {
      // No comparison holds for NaN, but a largest value may pass over it.
      const std::string zero = emit.constant(0.0f, "zero"), one = emit.constant(1.0f, "one");
      const std::string number = emit.op(
          "Or", {emit.op("Greater", {fused, zero}, "above_zero"), emit.op("Less", {fused, one}, "below_one")},
          "numbers");
      const std::string all = emit.reduce(
          "ReduceMin", emit.cast(number, onnx::TensorProto::FLOAT, "numbers_counted"), "all_numbers");
      leaves =
          emit.op("And", {leaves, emit.cast(all, onnx::TensorProto::BOOL, "ordered")}, "sure_and_ordered");
    }
    if (chain_.rule.patience > 1 && !std::isinf(chain_.rule.thresholds[k]))
      for (size_t j = k + 1 - static_cast<size_t>(chain_.rule.patience); j < k; ++j) {
        const std::string with = "_with_" + chain_.exits[j];
        leaves = emit.op("And", {leaves, emit.op("Equal", {answers_[j], answers_[k]}, "agrees" + with)},
                         "leaves" + with);
      }
    return leaves;
  }

  std::string uncertainty(Emitter& emit, const std::string& probabilities) const {
    switch (chain_.rule.criterion) {
      case Criterion::entropy: {
        const std::string wide = emit.cast(probabilities, onnx::TensorProto::DOUBLE, "wide");
        const std::string shifted =
            emit.op("Add", {wide, emit.constant(doubleTensor(1e-5), "epsilon")}, "guarded");
        const std::string terms = emit.op("Mul", {wide, emit.op("Log", {shifted}, "logarithms")}, "terms");
        return emit.cast(
            emit.op("Neg", {emit.reduce("ReduceSum", terms, "negative_entropy")}, "wide_entropy"),
            onnx::TensorProto::FLOAT, "entropy");
      }
      case Criterion::maxProbability:
        return emit.op("Sub",
                       {emit.constant(1.0f, "certain"), emit.reduce("ReduceMax", probabilities, "largest")},
                       "doubt");
      case Criterion::margin: {
        if (classCount() < 2) return emit.constant(0.0f, "doubt");
        const std::string two = emit.topTwo(probabilities);
        const std::string distance =
            emit.op("Sub", {emit.reduce("ReduceMax", two, "first"), emit.reduce("ReduceMin", two, "second")},
                    "distance");
        return emit.op("Sub", {emit.constant(1.0f, "certain"), distance}, "doubt");
      }
    }
    throw Error("unknown criterion");
  }

  /// What exit k answers, as fuseScores() has it.
  void addAnswer(onnx::GraphProto& graph, size_t k, const std::string& fused, const std::string& scores,
                 const std::string& taken) const {
    const std::string stem = kNestedIfPrefix + chain_.exits[k] + "/answer/";
    Emitter emit(graph, stem, opset_);
    if (chain_.rule.fusion == Fusion::last)
      emit.add("Identity", {chain_.exits[k]}, scores);
    else if (chain_.rule.scores == Scores::probabilities)
      emit.add("Identity", {fused}, scores);
    else
      emit.add("Log", {emit.op("Max", {fused, emit.constant(smallest(), "smallest")}, "guarded")}, scores);
    auto& index = *emit.add("Constant", {}, taken).add_attribute();
    index.set_name("value");
    index.set_type(onnx::AttributeProto::TENSOR);
    *index.mutable_t() = floatTensor("", {1, 1}, {static_cast<float>(k)});
    declareOutputs(graph, scores, taken);
  }

  void declareOutputs(onnx::GraphProto& graph, const std::string& scores, const std::string& taken) const {
    declareTensor(*graph.add_output(), scores, {1, classCount()});
    declareTensor(*graph.add_output(), taken, {1, 1});
  }

  /// The smallest normal float for every class: before opset 8, Max does not repeat a single one.
  onnx::TensorProto smallest() const {
    const std::vector<float> values(static_cast<size_t>(classCount()), std::numeric_limits<float>::min());
    return floatTensor("", {1, classCount()}, values);
  }

  int64_t classCount() const { return shapes_.at(chain_.exits.back()).back(); }

  const ExitChain& chain_;
  ShapeMap shapes_;
  int64_t opset_;
  std::set<std::string> held_;        // initializers that have their place
  std::vector<std::string> answers_;  // classes of the exits so far, where agreement is asked
  std::string sum_;                   // of the probabilities of the exits so far
};

}  // namespace

onnx::ModelProto buildNestedIf(const onnx::ModelProto& multiExit, const std::vector<std::string>& exits,
                               const std::optional<ExitRule>& rule) {
  const ExitChain chain = exitChain(multiExit, exits, rule);
  onnx::ModelProto model = NestBuilder(chain).build();
  writeChainMetadata(multiExit, chain, model);
  return model;
}

bool isNestedIf(const onnx::ModelProto& model) {
  const auto& graph = model.graph();
  if (graph.output_size() != 2 || graph.output(0).name() != "scores" || graph.output(1).name() != "exit")
    return false;
  const auto makesExit = [](const onnx::NodeProto& node) {
    return std::find(node.output().begin(), node.output().end(), "exit") != node.output().end();
  };
  const auto maker = std::find_if(graph.node().begin(), graph.node().end(), makesExit);
  return maker != graph.node().end() && (maker->op_type() == "If" || maker->op_type() == "Constant");
}

void checkNestedIf(const onnx::ModelProto& model, const std::string& name) {
  try {
    onnx::checker::check_model(model);
  } catch (const std::exception& error) {
    throw Error(text(name, ": the ONNX checker refuses it: ", onOneLine(error.what())));
  }
}

}  // namespace rdi::graph
