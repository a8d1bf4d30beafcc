// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/engine/stage_engine.hpp"

#include "graph/error.hpp"

namespace rdi::engine {

Layout layoutFromName(const std::string& name) {
  if (name == "nchw") return Layout::nchw;
  if (name == "nhwc") return Layout::nhwc;
  if (name == "plain") return Layout::plain;
  throw Error(text("input_layout '", name, "' is unknown, expected nchw, nhwc or plain"));
}

EngineKind engineFromName(const std::string& name) {
  if (name == "onednn") return EngineKind::oneDnn;
  if (name == "opencv") return EngineKind::openCv;
  throw Error(text("engine '", name, "' is unknown, expected onednn or opencv"));
}

std::unique_ptr<StageEngine> makeEngine(EngineKind kind, const onnx::ModelProto& stage,
                                        const std::vector<Layout>& inputLayouts, graph::Precision precision) {
  return kind == EngineKind::oneDnn ? makeOneDnnEngine(stage, inputLayouts, precision)
                                    : makeOpenCvEngine(stage, inputLayouts);
}

}  // namespace rdi::engine
