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

struct LayerType {
  const char* name;  // ONNX operator, default domain
  cv::dnn::LayerFactory::Constructor create;
};

constexpr LayerType kLayerTypes[] = {
    {"RdiStage", create<StageLayer>},
    {"RdiBranchClassifier", create<StageLayer>},
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
