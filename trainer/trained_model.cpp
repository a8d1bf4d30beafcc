// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/trained_model.hpp"

#include <filesystem>

#include "graph/cost.hpp"
#include "graph/metadata.hpp"
#include "graph/shapes.hpp"

namespace rdi::train {

void stateTraining(onnx::ModelProto& model, const TrainOptions& options, const DataSource& source,
                   const nlohmann::json& results) {
  const graph::Shape shape = graph::inputShape(model);
  graph::eraseRuleAndResults(model);
  graph::Metadata metadata = graph::readMetadata(model);
  if (!options.architecture.empty()) metadata.architecture = options.architecture;
  metadata.classNames = source.classNames;
  graph::Preprocessing preprocessing;
  preprocessing.channels = static_cast<int>(shape[0]);
  preprocessing.height = static_cast<int>(shape[1]);
  preprocessing.width = static_cast<int>(shape[2]);
  preprocessing.swapRB = shape[0] == 3;
  metadata.preprocessing = preprocessing;
  metadata.cost = graph::costToJson(model);
  // The recipe speaks of data and files by name; where they lay on this machine is nobody's business.
  nlohmann::json recipe = toJson(options);
  recipe["data"] = source.name;
  recipe["init"] = std::filesystem::path(options.init).filename().string();
  recipe["teacher"] = std::filesystem::path(options.teacher).filename().string();
  recipe.update(results);
  metadata.recipe = recipe;
  graph::writeMetadata(model, metadata);
}

}  // namespace rdi::train
