// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <cstring>
#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <set>
#include <utility>

#include "graph/error.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "layers/engine/layout.hpp"
#include "layers/engine/opencv_dialect.hpp"
#include "layers/engine/stage_engine.hpp"

namespace rdi::engine {
namespace {

/// A graph input or output of the stage.
struct Port {
  std::string name;
  graph::Shape shape;  // as in ONNX, batch 1
  Layout layout;       // outside this engine; the nested net wants ONNX's order

  bool reordered() const { return layout == Layout::nhwc; }
  size_t channels() const { return static_cast<size_t>(shape[1]); }
  size_t pixels() const { return static_cast<size_t>(shape[2] * shape[3]); }
  std::vector<int> dims() const { return {shape.begin(), shape.end()}; }
  size_t elementCount() const {
    size_t count = 1;
    for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
    return count;
  }
};

struct Ports {
  std::vector<Port> inputs, outputs;
};

/// One nested net and the blobs it is fed with.
class Runner {
public:
  Runner(const std::string& model, const Ports& ports) : ports_(ports) {
    net_ = cv::dnn::readNetFromONNX(model.data(), model.size());
    net_.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
    net_.setPreferableTarget(cv::dnn::DNN_TARGET_CPU);
    for (const Port& port : ports_.inputs) blobs_.emplace_back(port.dims(), CV_32F, cv::Scalar(0));
    for (const Port& port : ports_.outputs) outputNames_.push_back(port.name);
  }

  void run(const float* const* inputs, float* const* outputs) {
    for (size_t i = 0; i < ports_.inputs.size(); ++i) {
      const Port& port = ports_.inputs[i];
      float* const blob = blobs_[i].ptr<float>();
      if (port.reordered())
        toChannelsFirst(inputs[i], port.channels(), port.pixels(), blob);
      else
        std::memcpy(blob, inputs[i], port.elementCount() * sizeof(float));
      net_.setInput(blobs_[i], port.name);
    }
    net_.forward(results_, outputNames_);
    for (size_t i = 0; i < ports_.outputs.size(); ++i) {
      const Port& port = ports_.outputs[i];
      if (results_[i].total() != port.elementCount() || !results_[i].isContinuous())
        throw Error(text("OpenCV computed ", results_[i].total(), " values for '", port.name, "', expected ",
                         port.elementCount(), " (", graph::toString(port.shape), ")"));
      if (port.reordered())
        toChannelsLast(results_[i].ptr<float>(), port.channels(), port.pixels(), outputs[i]);
      else
        std::memcpy(outputs[i], results_[i].ptr<float>(), port.elementCount() * sizeof(float));
    }
  }

private:
  const Ports& ports_;
  cv::dnn::Net net_;
  std::vector<cv::Mat> blobs_, results_;
  std::vector<cv::String> outputNames_;
};

class OpenCvEngine : public StageEngine {
public:
  OpenCvEngine(const onnx::ModelProto& stage, const std::vector<Layout>& inputLayouts)
      : model_(graph::serialize(inOpenCvDialect(stage))) {
    const graph::ShapeMap shapes = graph::recordedShapes(stage);
    std::set<std::string> constants;
    for (const onnx::TensorProto& tensor : stage.graph().initializer()) constants.insert(tensor.name());
    const auto shapeOf = [&](const std::string& name) {
      const auto found = shapes.find(name);
      if (found == shapes.end())
        throw Error(text("the shape of tensor '", name, "' is not recorded in the stage"));
      return found->second;
    };
    for (const onnx::ValueInfoProto& value : stage.graph().input()) {
      if (constants.count(value.name()) != 0) continue;
      if (ports_.inputs.size() >= inputLayouts.size())
        throw Error(
            text("the stage has more inputs than the ", inputLayouts.size(), " that input_layout describes"));
      const graph::Shape shape = shapeOf(value.name());
      const Layout layout = inputLayouts[ports_.inputs.size()];
      if ((shape.size() == 4) == (layout == Layout::plain))
        throw Error(
            text("input_layout of '", value.name(), "' does not fit its shape ", graph::toString(shape)));
      ports_.inputs.push_back({value.name(), shape, layout});
    }
    if (ports_.inputs.size() != inputLayouts.size())
      throw Error(text("the stage has ", ports_.inputs.size(), " inputs, but input_layout describes ",
                       inputLayouts.size()));
    for (const onnx::ValueInfoProto& value : stage.graph().output()) {
      const graph::Shape shape = shapeOf(value.name());
      ports_.outputs.push_back({value.name(), shape, shape.size() == 4 ? Layout::nhwc : Layout::plain});
    }
    prepare(1, 1);
  }

  void prepare(int slotCount, int) override {
    try {
      while (slots_.size() < static_cast<size_t>(slotCount))
        slots_.push_back(std::make_unique<Runner>(model_, ports_));
    } catch (const cv::Exception& error) {
      throw Error(text("OpenCV cannot load the stage: ", error.what()));
    }
  }

  void runRow(int slot, const float* const* inputs, float* const* outputs) override {
    slots_[static_cast<size_t>(slot)]->run(inputs, outputs);
  }

  void runSingleRow(const float* const* inputs, float* const* outputs) override {
    runRow(0, inputs, outputs);
  }

private:
  std::string model_;
  Ports ports_;
  std::vector<std::unique_ptr<Runner>> slots_;
};

}  // namespace

std::unique_ptr<StageEngine> makeOpenCvEngine(const onnx::ModelProto& stage,
                                              const std::vector<Layout>& inputLayouts) {
  return std::make_unique<OpenCvEngine>(stage, inputLayouts);
}

}  // namespace rdi::engine
