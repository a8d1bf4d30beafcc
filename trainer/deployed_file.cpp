// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/deployed_file.hpp"

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "trainer/model_fit.hpp"

namespace rdi::train {
namespace {

constexpr const char* kAdvice = "make it with rdi-convert MODEL.onnx -o FILE.early-exit.onnx";

std::vector<graph::ExitCost> costsFrom(const nlohmann::json& json) {
  std::vector<graph::ExitCost> costs;
  for (const nlohmann::json& exit : json)
    costs.push_back({exit.at("exit").get<std::string>(),
                     {exit.at("own_conv").get<int64_t>(), exit.at("own_linear").get<int64_t>()},
                     {exit.at("paid_conv").get<int64_t>(), exit.at("paid_linear").get<int64_t>()}});
  return costs;
}

}  // namespace

DeployedFile readDeployedFile(const std::string& path) {
  DeployedFile file;
  file.path = path;
  namingTheModel(path, [&] {
    const onnx::ModelProto model = graph::loadModel(path);
    if (!graph::isEarlyExit(model))
      throw Error(text("found a model without early exits, expected the early-exit file; ", kAdvice));
    const graph::Metadata metadata = graph::readMetadata(model);
    if (!metadata.rule || metadata.cost.is_null())
      throw Error(text("its metadata lack ", metadata.rule ? "rdi.cost" : "rdi.rule", "; ", kAdvice));
    file.inputShape = graph::inputShape(model);
    file.classCount = graph::classCount(model);
    file.rule = *metadata.rule;
    try {
      file.costs = costsFrom(metadata.cost);
    } catch (const nlohmann::json::exception& error) {
      throw Error(text("metadata 'rdi.cost' cannot be read: ", error.what(), "; ", kAdvice));
    }
    graph::checkRule(file.rule, file.costs.size());
  });
  return file;
}

}  // namespace rdi::train
