// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluator.hpp"

#include <algorithm>

#include "graph/error.hpp"
#include "trainer/device.hpp"
#include "trainer/device_images.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/score_collection.hpp"
#include "trainer/torch_compat.hpp"

namespace rdi::train {

struct Evaluator::Parts {
  EvaluatorOptions options;
  torch::Device device;
  DeviceImages images;
  std::shared_ptr<GraphModule> module;
};

Evaluator::Evaluator(const onnx::ModelProto& model, const ImageSet& images, const EvaluatorOptions& options) {
  if (options.batchSize < 1)
    throw Error(text("--batch-size: found ", options.batchSize, ", expected 1 or more"));
  if (options.limit < 0) throw Error(text("--limit: found ", options.limit, ", expected 1 or more images"));
  const torch::Device device = useDevice(options.device, options.threads);
  GraphModuleOptions moduleOptions;
  const auto module = namingTheModel(options.modelName, [&] {
    moduleOptions.logProbabilities = givesProbabilities(model);
    return std::make_shared<GraphModule>(model, moduleOptions);
  });
  module->to(device);
  module->eval();
  parts_.reset(new Parts{options, device, DeviceImages(images, device), module});
}

Evaluator::~Evaluator() = default;

ScoreTable Evaluator::scores(const std::optional<AttackForm>& form, const AttackOptions& attack,
                             const std::function<void(int64_t)>& done) {
  checkAttackOptions(attack);
  // The same seed for every form: their order, or leaving one out, changes nothing.
  torch::Generator generator = makeGenerator(parts_->device, parts_->options.seed);
  return collectScores(*parts_->module, parts_->images, form, attack, parts_->options.batchSize,
                       parts_->options.limit, generator, done);
}

int64_t Evaluator::imageCount() const {
  const int64_t all = parts_->images.count();
  return parts_->options.limit > 0 ? std::min(parts_->options.limit, all) : all;
}

}  // namespace rdi::train
