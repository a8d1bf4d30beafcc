// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/layer_table.hpp"

#include <mutex>
#include <opencv2/dnn.hpp>
#include <opencv2/dnn/layer.hpp>

#include "layers/early_exit_layer.hpp"
#include "layers/select_layer.hpp"
#include "layers/stage_layer.hpp"

namespace rdi {
namespace {

template <typename Type>
cv::Ptr<cv::dnn::Layer> create(cv::dnn::LayerParams& params) {
  return cv::makePtr<Type>(params);
}

/// OpenCV keeps the parameters as long as the net; without the graph, which holds the weights once more.
cv::Ptr<cv::dnn::Layer> createStage(cv::dnn::LayerParams& params) {
  const cv::Ptr<cv::dnn::Layer> stage = create<StageLayer>(params);
  params.erase("graph");
  return stage;
}

struct LayerType {
  const char* name;  // ONNX operator, default domain
  cv::dnn::LayerFactory::Constructor create;
};

constexpr LayerType kLayerTypes[] = {
    {"RdiStage", createStage},
    {"RdiBranchClassifier", createStage},
    {"RdiEarlyExit", create<EarlyExitLayer>},
    {"RdiSelect", create<SelectLayer>},
};

}  // namespace

void registerLayerTypes() {
  static std::once_flag once;
  std::call_once(once, [] {
    for (const LayerType& type : kLayerTypes) cv::dnn::LayerFactory::registerLayer(type.name, type.create);
  });
}

}  // namespace rdi
