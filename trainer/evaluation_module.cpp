// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluation_module.hpp"

#include "graph/simplify.hpp"
#include "trainer/model_fit.hpp"

namespace rdi::train {

std::shared_ptr<GraphModule> evaluationModule(const onnx::ModelProto& model, const std::string& file,
                                              const torch::Device& device) {
  const auto module = namingTheModel(file, [&] {
    GraphModuleOptions options;
    options.channelsLast = true;  // a fifth faster, see benchmarks/attack_benchmark.cpp
    options.logProbabilities = givesProbabilities(model);
    // Folding is faster, too.
    onnx::ModelProto folded = model;
    graph::simplify(folded);
    return std::make_shared<GraphModule>(folded, options);
  });
  module->to(device);
  module->eval();
  return module;
}

}  // namespace rdi::train
