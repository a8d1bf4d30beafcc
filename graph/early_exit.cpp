// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/early_exit.hpp"

#include "graph/attributes.hpp"
#include "graph/engine_support.hpp"
#include "graph/error.hpp"
#include "graph/exit_chain.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/opencv_support.hpp"
#include "graph/partition.hpp"
#include "graph/shapes.hpp"

namespace rdi::graph {

namespace {

constexpr int kOpset = 11;
constexpr int kIrVersion = 6;

// Appends the chain's nodes one after the other.
class ChainBuilder {
public:
  ChainBuilder(const onnx::ModelProto& model, const ExitRule& rule, const std::vector<OperatingPoint>& points,
               const EarlyExitOptions& options)
      : model_(model),
        rule_(rule),
        points_(points),
        options_(options),
        shapes_(inferShapes(model)),
        input_(inputName(model)) {
    result_.set_ir_version(kIrVersion);
    result_.set_producer_name("rdi");
    auto* opset = result_.add_opset_import();
    opset->set_domain("");
    opset->set_version(kOpset);
    result_.mutable_graph()->set_name(model.graph().name());
    declareTensor(*result_.mutable_graph()->add_input(), input_, shapes_.at(input_));
  }

  void addPart(const Part& part, const std::string& type, const std::string& name) {
    if (part.nodes.empty()) return;
    onnx::NodeProto* node = addNode(type, name);
    std::string layout;
    for (const auto& tensor : part.inputs) {
      node->add_input(tensor);
      const bool image = shapes_.at(tensor).size() == 4;
      layout += (layout.empty() ? "" : ",") + std::string(tensor == input_ ? "nchw"
                                                          : image          ? "nhwc"
                                                                           : "plain");
    }
    if (!state_.empty()) node->add_input(state_);
    for (const auto& tensor : part.outputs) node->add_output(tensor);
    onnx::ModelProto piece = extract(model_, part, name);
    const std::string engine = engineFor(piece, name);
    const Precision precision = engine == "onednn" ? options_.precision : Precision::float32;
    if (precision == Precision::int8) writeRanges(piece, options_.ranges);
    setAttribute(*node, "graph", serialize(piece));
    setAttribute(*node, "engine", engine);
    setAttribute(*node, "precision", nameOf(precision));
    setAttribute(*node, "input_layout", layout);
  }

  void addGate(const ExitCost& cost, size_t index, bool main) {
    scores_.push_back(cost.exit);
    onnx::NodeProto* node = addNode("RdiEarlyExit", main ? "exit" : "gate_" + cost.exit);
    for (const auto& scores : scores_) node->add_input(scores);
    if (!state_.empty()) node->add_input(state_);
    if (!main) {
      const std::string name = "threshold_" + cost.exit;
      *result_.mutable_graph()->add_initializer() = floatTensor(name, {1}, {rule_.thresholds[index]});
      node->add_input(name);
    }
    state_ = main ? "exit" : "exit_state" + std::to_string(index + 1);
    node->add_output(state_);
    setAttribute(*node, "index", static_cast<int64_t>(index));
    if (main) setAttribute(*node, "main", int64_t{1});
    if (main && !points_.empty()) setAttribute(*node, "operating_points", offeredPoints());
    setAttribute(*node, "criterion", nameOf(rule_.criterion));
    setAttribute(*node, "patience", static_cast<int64_t>(rule_.patience));
    setFusion(node);
    setAttribute(*node, "exit", cost.exit);
    setAttribute(*node, "paid_macs", std::to_string(cost.paid.total()));
    setAttribute(*node, "own_macs", std::to_string(cost.own.total()));
    setAttribute(*node, "own_conv_macs", std::to_string(cost.own.conv));
  }

  void addSelect() {
    onnx::NodeProto* node = addNode("RdiSelect", "select");
    node->add_input(state_);
    for (const auto& scores : scores_) node->add_input(scores);
    node->add_output("scores");
    setFusion(node);
    declareTensor(*result_.mutable_graph()->add_output(), "scores", {1, shapes_.at(scores_.back()).back()});
  }

  onnx::ModelProto& result() { return result_; }

private:
  onnx::NodeProto* addNode(const std::string& type, const std::string& name) {
    onnx::NodeProto* node = result_.mutable_graph()->add_node();
    node->set_op_type(type);
    node->set_name(name);
    return node;
  }

  /// oneDNN where it can, OpenCV where oneDNN lacks something; throws where neither can.
  std::string engineFor(const onnx::ModelProto& piece, const std::string& name) const {
    const std::string notOneDnn = whyNotOneDnn(piece);
    if (options_.engine != "opencv" && notOneDnn.empty()) return "onednn";
    if (options_.engine == "onednn")
      throw Error(text("the onednn engine cannot run ", name, ": ", notOneDnn));
    const std::string notOpenCv = whyNotOpenCv(piece);
    if (notOpenCv.empty()) return "opencv";
    if (options_.engine == "opencv")
      throw Error(text("the opencv engine cannot run ", name, ": ", notOpenCv));
    throw Error(text("no engine can run ", name, ": the onednn engine stops at ", notOneDnn,
                     "; the opencv engine at ", notOpenCv));
  }

  /// All rules that can be chosen by name at run time; how they were chosen is told by the metadata.
  std::string offeredPoints() const {
    std::vector<OperatingPoint> points = withDefault(points_, rule_);
    for (OperatingPoint& point : points) point.calibration = nullptr;
    return pointsToJson(points).dump();
  }

  void setFusion(onnx::NodeProto* node) {
    setAttribute(*node, "fusion", nameOf(rule_.fusion));
    setAttribute(*node, "scores", nameOf(rule_.scores));
  }

  const onnx::ModelProto& model_;
  const ExitRule& rule_;
  const std::vector<OperatingPoint>& points_;
  const EarlyExitOptions& options_;
  ShapeMap shapes_;
  std::string input_;
  std::string state_;                // tensor name of the last gate's state
  std::vector<std::string> scores_;  // exits reached so far
  onnx::ModelProto result_;
};

}  // namespace

onnx::ModelProto buildEarlyExit(const onnx::ModelProto& multiExit, const EarlyExitOptions& options) {
  if (options.engine != "auto" && options.engine != "onednn" && options.engine != "opencv")
    throw Error(text("unknown engine '", options.engine, "'; known: auto, onednn, opencv"));
  const ExitChain parts = exitChain(multiExit, options.exits, options.rule);
  ChainBuilder chain(parts.model, parts.rule, parts.points, options);
  for (size_t k = 0; k < parts.segments.size(); ++k) {
    chain.addPart(parts.segments[k].stage, "RdiStage", stageName(k));
    chain.addPart(parts.segments[k].branch, "RdiBranchClassifier", branchName(parts.exits[k]));
    chain.addGate(parts.costs[k], k, k + 1 == parts.segments.size());
  }
  chain.addSelect();
  writeChainMetadata(multiExit, parts, chain.result());
  return chain.result();
}

onnx::ModelProto buildStatic(const onnx::ModelProto& multiExit, const std::string& exit) {
  if (isEarlyExit(multiExit)) throw Error("this is an early-exit file; expected a multi-exit ONNX model");
  onnx::ModelProto result = keepExits(multiExit, {exit});
  // The rule and its results speak of exits that are gone.
  Metadata metadata = readMetadata(multiExit);
  metadata.rule.reset();
  metadata.operatingPoints.clear();
  metadata.results = nullptr;
  metadata.calibration = nullptr;
  metadata.cost = costToJson(result);
  result.clear_metadata_props();
  writeMetadata(result, metadata);
  return result;
}

}  // namespace rdi::graph
