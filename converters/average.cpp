// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/average.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"

namespace rdi::convert {
namespace {

using ByName = std::map<std::string, const onnx::TensorProto*>;

ByName weightsOf(const onnx::ModelProto& model) {
  ByName weights;
  for (const auto& tensor : model.graph().initializer()) weights[tensor.name()] = &tensor;
  return weights;
}

graph::Shape shapeOf(const onnx::TensorProto& tensor) { return {tensor.dims().begin(), tensor.dims().end()}; }

bool isFloat(const onnx::TensorProto& tensor) {
  return tensor.data_type() == onnx::TensorProto_DataType_FLOAT;
}

/// Layers and outputs, in words that are equal when the networks compute the same with the same weights.
std::string structureOf(const onnx::ModelProto& model) {
  std::string words;
  for (const auto& node : model.graph().node()) words += node.SerializeAsString();
  for (const auto& name : graph::exitNames(model)) words += name + '\n';
  return words;
}

[[noreturn]] void refuse(const NamedModel& found, const NamedModel& expected, const std::string& why) {
  throw Error(text(found.file, ": cannot be averaged with ", expected.file, ": ", why,
                   "; expected stages of one training"));
}

void checkFits(const NamedModel& first, const NamedModel& other) {
  if (structureOf(first.model) != structureOf(other.model))
    refuse(other, first, "its layers or exits are others");
  const auto expected = weightsOf(first.model), found = weightsOf(other.model);
  for (const auto& [name, tensor] : expected) {
    const auto place = found.find(name);
    if (place == found.end()) refuse(other, first, text("it has no tensor '", name, "'"));
    const auto& twin = *place->second;
    if (shapeOf(twin) != shapeOf(*tensor) || twin.data_type() != tensor->data_type())
      refuse(other, first,
             text("tensor '", name, "' is ", graph::toString(shapeOf(twin)), ", not ",
                  graph::toString(shapeOf(*tensor))));
    if (!isFloat(twin) && twin.SerializeAsString() != tensor->SerializeAsString())
      refuse(other, first, text("tensor '", name, "', which is no weight, has other values"));
  }
  const auto recipe = graph::readMetadata(first.model).recipe, twin = graph::readMetadata(other.model).recipe;
  for (const char* key : {"held_out", "held_out_seed"}) {
    const bool both = recipe.contains(key) && twin.contains(key);
    if (both && recipe.at(key) != twin.at(key))
      refuse(other, first,
             text("its training held out other images (", key, " ", twin.at(key).dump(), ", not ",
                  recipe.at(key).dump(), ")"));
  }
}

void checkIsMultiExit(const NamedModel& named) {
  if (graph::isEarlyExit(named.model))
    throw Error(
        text(named.file, ": found an early-exit file, expected the multi-exit file it was made from"));
}

}  // namespace

onnx::ModelProto average(const std::vector<NamedModel>& models) {
  if (models.size() < 2) throw Error("--average: found one model, expected two or more");
  const auto& first = models.front();
  for (const auto& named : models) {
    checkIsMultiExit(named);
    checkFits(first, named);
  }
  onnx::ModelProto result = first.model;
  std::vector<ByName> others;
  for (size_t i = 1; i < models.size(); ++i) others.push_back(weightsOf(models[i].model));
  for (auto& tensor : *result.mutable_graph()->mutable_initializer()) {
    if (!isFloat(tensor)) continue;
    const auto own = graph::floatValues(tensor);
    std::vector<double> sum(own.begin(), own.end());
    for (const auto& weights : others) {
      const auto values = graph::floatValues(*weights.at(tensor.name()));
      std::transform(sum.begin(), sum.end(), values.begin(), sum.begin(),
                     [](double a, float b) { return a + b; });
    }
    std::vector<float> mean(sum.size());
    std::transform(sum.begin(), sum.end(), mean.begin(),
                   [&](double s) { return static_cast<float>(s / static_cast<double>(models.size())); });
    tensor = graph::floatTensor(tensor.name(), shapeOf(tensor), mean);
  }
  graph::eraseRuleAndResults(result);
  auto recipe = graph::readMetadata(first.model).recipe;
  recipe["averaged"] = nlohmann::json::array();  // not those that went into the first one before
  for (const auto& named : models)
    recipe["averaged"].push_back(std::filesystem::path(named.file).filename().string());
  graph::Metadata metadata;
  metadata.recipe = recipe;
  graph::writeMetadata(result, metadata);
  return result;
}

}  // namespace rdi::convert
