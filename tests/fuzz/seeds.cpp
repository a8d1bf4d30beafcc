// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/fuzz/seeds.hpp"

#include <cmath>

#include "converters/convert.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "tests/converters/readers/foreign_files.hpp"
#include "tests/fuzz/feed.hpp"
#include "tests/graph/foreign_models.hpp"
#include "tests/graph/toy_model.hpp"

namespace rdi::test {
namespace {

std::vector<SavedTensor> seedTensors() {
  SavedTensor half{"conv.half", bytesOf<uint16_t>({0x3c00, 0x4000}), {2}, {}, "HalfStorage", 2};
  SavedTensor view{
      "conv.view", bytesOf<float>({0, 1, 2, 3, 4, 5, 6, 7}), {2, 3}, {1, 2}, "FloatStorage", 4, 2};
  SavedTensor whole{"conv.weight", bytesOf<float>({1, 2, 3, 4}), {2, 2}};
  SavedTensor counter{"bn.num_batches_tracked", bytesOf<int64_t>({7}), {}, {}, "LongStorage", 8};
  return {half, view, whole, counter};
}

/// What torch.save is given: the bare dict, a checkpoint around it, a whole module.
std::vector<std::string> seedValues() {
  const auto tensors = seedTensors();
  const auto state = op::stateDict(tensors);
  const auto module = [](const std::string& attributes) {
    return op::global("my", "Net") + ")\x81" + attributes + "b";
  };
  return {
      state,
      op::dict({{op::text("epoch"), op::integer(3)},
                {op::text("losses"), op::list({op::real(0.5), op::real(0.25)})},
                {op::text("state_dict"), state},
                {op::text("optimizer"), op::dict({{op::integer(0), op::tensor(tensors[2])}})}}),
      module(op::dict(
          {{op::text("_parameters"), op::orderedDict({})},
           {op::text("_modules"),
            op::orderedDict(
                {{op::text("conv"),
                  module(op::dict({{op::text("_parameters"),
                                    op::orderedDict({{op::text("weight"),
                                                      op::parameter(op::tensor(tensors[2]))}})}}))}})}}))};
}

/// The zip without checksums, as a writer may leave them out: damage is then not found by them.
std::string withoutChecksums(std::string archive) {
  for (size_t at = archive.find(std::string("PK\1\2", 4)); at != std::string::npos;
       at = archive.find(std::string("PK\1\2", 4), at + 1))
    archive.replace(at + 16, 4, std::string(4, '\0'));
  return archive;
}

std::vector<std::string> zipSeeds() {
  std::vector<std::string> seeds;
  for (const auto& value : seedValues())
    for (const bool deflated : {false, true})
      seeds.push_back(withoutChecksums(torchZip(value, seedTensors(), deflated)));
  const auto large = zip({{"a/data.pkl", op::pickle(op::stateDict({seedTensors()[2]}))},
                          {"a/data/key of conv.weight", seedTensors()[2].storage}},
                         Pack::zip64);
  seeds.push_back(withoutChecksums(large));
  return seeds;
}

std::vector<std::string> legacySeeds() {
  std::vector<std::string> seeds;
  auto values = seedValues();
  values.pop_back();  // a module of one of the tensors only
  for (const auto& value : values) seeds.push_back(torchLegacy(value, seedTensors()));
  seeds.push_back(torchLegacy(seedValues().back(), {seedTensors()[2]}));
  return seeds;
}

std::vector<std::string> safetensorsSeeds() {
  return {safetensors({{"conv.weight", bytesOf<float>({1, 2, 3, 4}), {2, 2}, {}, "F32"},
                       {"conv.half", bytesOf<uint16_t>({0x3c00}), {1}, {}, "BF16"},
                       {"bn.count", bytesOf<int64_t>({1}), {}, {}, "I64"}})};
}

std::string earlyExit(const std::string& engine, graph::Precision precision = graph::Precision::float32) {
  convert::ConvertOptions options;
  options.engine = engine;
  options.precision = precision;
  const graph::Shape size = graph::inputShape(seedModel());
  std::vector<float> picture(static_cast<size_t>(size[0] * size[1] * size[2]));
  for (size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<float>(i * 37 % 256);
  options.calibration = {size[0], size[1], size[2], {picture}};
  return graph::serialize(convert::toEarlyExit(seedModel(), "seed", options));
}

/// This project's own files, and those of other exporters, oldest form and newer one.
std::vector<std::string> modelSeeds(const std::string& own) {
  std::vector<std::string> seeds{own, earlyExit("auto")};
  for (const auto& foreign : foreignModels())
    for (const int64_t opset : {7, 13}) seeds.push_back(graph::serialize(foreign.make(opset)));
  return seeds;
}

}  // namespace

onnx::ModelProto seedModel() {
  auto model = test::tinyMultiExit();
  graph::Metadata metadata;
  metadata.architecture = "rdi-tiny";
  metadata.classNames = {"a", "b", "c", "d"};
  metadata.preprocessing.emplace();
  metadata.rule.emplace();
  metadata.rule->thresholds = {0.3f, INFINITY};
  metadata.operatingPoints = {{"fast", *metadata.rule, {{"policy", "cost"}}}};
  metadata.results = {{"accuracy", 0.5}};
  graph::writeMetadata(model, metadata);
  return model;
}

std::vector<std::string> pluginSeeds() {
  return {earlyExit("onednn"), earlyExit("opencv"), earlyExit("onednn", graph::Precision::bf16),
          earlyExit("onednn", graph::Precision::int8)};
}

std::vector<FuzzTarget> converterTargets() {
  const auto model = graph::serialize(seedModel());
  std::vector<std::string> all = {model, safetensorsSeeds()[0], zipSeeds()[0], legacySeeds()[0]};
  return {{"weights", feedWeights, all, false},
          {"torch_zip", feedTorchZip, zipSeeds(), false},
          {"torch_legacy", feedTorchLegacy, legacySeeds(), false},
          {"safetensors", feedSafetensors, safetensorsSeeds(), false},
          {"onnx_weights", feedOnnxWeights, {model}, true},
          {"model", feedModel, modelSeeds(model), true}};
}

}  // namespace rdi::test
