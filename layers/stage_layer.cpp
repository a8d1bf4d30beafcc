// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/stage_layer.hpp"

#include <algorithm>
#include <atomic>
#include <set>
#include <sstream>

#include "graph/cost.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "layers/blobs.hpp"
#include "layers/layer_text.hpp"

namespace rdi {
namespace {

using cv::dnn::MatShape;

constexpr size_t kMostPorts = 64;  // tensors that may cross one cut

std::vector<engine::Layout> readLayouts(const std::string& names) {
  std::vector<engine::Layout> layouts;
  std::istringstream stream(names);
  for (std::string name; std::getline(stream, name, ',');) layouts.push_back(engine::layoutFromName(name));
  return layouts;
}

std::string orderOf(engine::Layout layout, size_t rank) {
  if (layout == engine::Layout::plain) return rank == 2 ? "NxC" : "as in ONNX";
  return layout == engine::Layout::nchw ? "NCHW" : "NHWC";
}

}  // namespace

StageLayer::StageLayer(const cv::dnn::LayerParams& params) {
  setParamsFrom(params);
  const std::string bytes = textAttribute(params, "graph");
  const std::string engineName = textAttribute(params, "engine");
  const std::string precision = textAttribute(params, "precision");
  const std::string layoutNames = textAttribute(params, "input_layout");
  try {
    engineKind_ = engine::engineFromName(engineName);
    precision_ = graph::precisionFromName(precision);
    layouts_ = readLayouts(layoutNames);
    stage_ = graph::parseStage(bytes.data(), bytes.size(), "attribute graph");
    readPorts(layouts_);
    const graph::ShapeMap shapes = graph::recordedShapes(stage_);
    for (const onnx::NodeProto& node : stage_.graph().node()) macs_ += graph::nodeMacs(node, shapes).total();
  } catch (const std::exception& error) {
    fail(*this, error.what());
  }
}

StageLayer::~StageLayer() = default;

graph::Precision StageLayer::precisionInUse() const {
  return engineKind_ == engine::EngineKind::oneDnn ? engine::precisionInUse(precision_)
                                                   : graph::Precision::float32;
}

void StageLayer::readPorts(const std::vector<engine::Layout>& layouts) {
  const graph::ShapeMap shapes = graph::recordedShapes(stage_);
  std::set<std::string> constants;
  for (const onnx::TensorProto& tensor : stage_.graph().initializer()) constants.insert(tensor.name());
  const auto portOf = [&](const std::string& tensor, engine::Layout layout) {
    const graph::Shape& shape = shapes.at(tensor);
    if (shape.empty() || shape[0] != 1)
      throw Error(text("tensor '", tensor, "' of the embedded graph is ", graph::toString(shape),
                       ", expected batch 1"));
    if ((shape.size() == 4) == (layout == engine::Layout::plain))
      throw Error(text("input_layout of '", tensor, "' does not fit its shape ", graph::toString(shape)));
    graph::Shape row(shape.begin() + 1, shape.end());
    if (layout == engine::Layout::nhwc) std::rotate(row.begin(), row.begin() + 1, row.end());
    int64_t count = 1;
    for (const int64_t extent : row) {
      if (extent < 1 || extent > (int64_t{1} << 30) / count)
        throw Error(text("tensor '", tensor, "' of the embedded graph is ", graph::toString(shape)));
      count *= extent;
    }
    return Port{tensor, MatShape(row.begin(), row.end()), orderOf(layout, shape.size())};
  };
  for (const onnx::ValueInfoProto& value : stage_.graph().input()) {
    if (constants.count(value.name()) != 0) continue;
    if (inputs_.size() == layouts.size())
      throw Error(text("the embedded graph has more inputs than the ", layouts.size(), " in input_layout"));
    inputs_.push_back(portOf(value.name(), layouts[inputs_.size()]));
  }
  if (inputs_.empty() || inputs_.size() != layouts.size())
    throw Error(
        text("the embedded graph has ", inputs_.size(), " inputs, input_layout names ", layouts.size()));
  for (const onnx::ValueInfoProto& value : stage_.graph().output()) {
    const bool picture = shapes.at(value.name()).size() == 4;
    outputs_.push_back(portOf(value.name(), picture ? engine::Layout::nhwc : engine::Layout::plain));
  }
  if (outputs_.empty()) throw Error("the embedded graph has no output; the file is damaged");
  if (inputs_.size() + outputs_.size() > kMostPorts)
    throw Error(text("the embedded graph has ", inputs_.size() + outputs_.size(),
                     " inputs and outputs, at most ", kMostPorts, " are supported"));
  if (type == "RdiBranchClassifier" && (outputs_.size() != 1 || outputs_[0].row.size() != 1))
    throw Error("the embedded graph of a classifier must give one row of scores");
}

bool StageLayer::getMemoryShapes(const std::vector<MatShape>& inputs, int requiredOutputs,
                                 std::vector<MatShape>& outputs, std::vector<MatShape>& internals) const {
  if (inputs.size() != inputs_.size() && inputs.size() != inputs_.size() + 1)
    fail(*this, text(inputs.size(), " inputs, expected ", inputs_.size(), " and at most one exit state"));
  const int rowCount = inputs[0].empty() ? 0 : inputs[0][0];
  for (size_t i = 0; i < inputs.size(); ++i) {
    MatShape expected = i < inputs_.size() ? inputs_[i].row : MatShape{1};
    const std::string order = i < inputs_.size() ? inputs_[i].order : "exit state";
    expected.insert(expected.begin(), rowCount);
    if (inputs[i] != expected || rowCount < 1) {
      MatShape row(expected.begin() + 1, expected.end());
      fail(*this,
           text("input ", i + 1, " is ", toString(inputs[i]), ", expected Nx", toString(row), " (", order,
                ") with N >= 1; give the net pictures of the size and channels it was made for"));
    }
  }
  outputs.clear();
  for (const Port& port : outputs_) {
    outputs.push_back(port.row);
    outputs.back().insert(outputs.back().begin(), rowCount);
  }
  return false;
}

void StageLayer::finalize(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays) {
  std::vector<cv::Mat> given;
  inputs.getMatVector(given);
  try {
    if (!engine_) {
      engine_ = engine::makeEngine(engineKind_, stage_, layouts_, precisionInUse());
      stage_ = onnx::ModelProto();  // the engine has its own weights
    }
    prepare(given.at(0).size[0]);
  } catch (const std::exception& error) {
    fail(*this, error.what());
  }
}

void StageLayer::prepare(int rowCount) {
  undecided_.reserve(static_cast<size_t>(rowCount));
  const int threadCount = std::max(cv::getNumThreads(), 1);
  const int slotCount = std::max(std::min(rowCount, threadCount), slotCount_);
  if (slotCount == slotCount_ && threadCount == threadCount_) return;
  engine_->prepare(slotCount, threadCount);
  slotCount_ = slotCount;
  threadCount_ = threadCount;
}

/// The undecided rows of one forward, computed by whichever slot is free.
class StageLayer::Rows : public cv::ParallelLoopBody {
public:
  Rows(StageLayer& layer, const std::vector<cv::Mat>& inputs, const std::vector<cv::Mat>& outputs)
      : layer_(layer), inputs_(inputs), outputs_(outputs) {}

  void operator()(const cv::Range& slots) const override {
    for (int slot = slots.start; slot < slots.end; ++slot)
      for (size_t i = next_++; i < layer_.undecided_.size(); i = next_++) run(slot, layer_.undecided_[i]);
  }

  void runAlone() const {
    Pointers pointers = pointersOf(layer_.undecided_[0]);
    layer_.engine_->runSingleRow(pointers.inputs, pointers.outputs);
  }

private:
  struct Pointers {
    const float* inputs[kMostPorts];
    float* outputs[kMostPorts];
  };

  Pointers pointersOf(int row) const {
    Pointers pointers;
    for (size_t i = 0; i < layer_.inputs_.size(); ++i) pointers.inputs[i] = inputs_[i].ptr<float>(row);
    for (size_t i = 0; i < layer_.outputs_.size(); ++i) pointers.outputs[i] = rowOf(outputs_[i], row);
    return pointers;
  }

  void run(int slot, int row) const {
    Pointers pointers = pointersOf(row);
    layer_.engine_->runRow(slot, pointers.inputs, pointers.outputs);
  }

  StageLayer& layer_;
  const std::vector<cv::Mat>& inputs_;
  const std::vector<cv::Mat>& outputs_;
  mutable std::atomic<size_t> next_{0};
};

void StageLayer::forward(cv::InputArrayOfArrays inputBlobs, cv::OutputArrayOfArrays outputBlobs,
                         cv::OutputArrayOfArrays) {
  std::vector<cv::Mat> inputStorage, outputStorage;
  const std::vector<cv::Mat>& inputs = blobsOf(*this, inputBlobs, inputStorage);
  const std::vector<cv::Mat>& outputs = blobsOf(*this, outputBlobs, outputStorage);

  const int rowCount = inputs[0].size[0];
  const float* state = inputs.size() > inputs_.size() ? inputs.back().ptr<float>() : nullptr;
  undecided_.clear();
  for (int row = 0; row < rowCount; ++row)
    if (state == nullptr || state[row] < 0) undecided_.push_back(row);
  computedRows_ = static_cast<int>(undecided_.size());
  if (undecided_.empty()) return;

  try {
    prepare(rowCount);  // does nothing unless cv::setNumThreads was called since finalize
    const Rows rows(*this, inputs, outputs);
    const int slotCount = std::min(computedRows_, threadCount_);
    if (computedRows_ == 1)
      rows.runAlone();
    else if (slotCount == 1)
      rows(cv::Range(0, 1));
    else
      cv::parallel_for_(cv::Range(0, slotCount), rows, slotCount);
  } catch (const std::exception& error) {
    fail(*this, error.what());
  }
}

int64_t StageLayer::getFLOPS(const std::vector<MatShape>& inputs, const std::vector<MatShape>&) const {
  return 2 * macs_ * (inputs.empty() || inputs[0].empty() ? 1 : inputs[0][0]);
}

}  // namespace rdi
