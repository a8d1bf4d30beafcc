// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Stands in for onednn_engine.cpp in a build without oneDNN.
#include "layers/engine/stage_engine.hpp"

namespace rdi::engine {

bool hasOneDnn() { return false; }

graph::Precision precisionInUse(graph::Precision) { return graph::Precision::float32; }

std::unique_ptr<StageEngine> makeOneDnnEngine(const onnx::ModelProto& stage,
                                              const std::vector<Layout>& inputLayouts, graph::Precision,
                                              RowSplit) {
  return makeOpenCvEngine(stage, inputLayouts);
}

}  // namespace rdi::engine
