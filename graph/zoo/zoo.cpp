// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/zoo/zoo.hpp"

#include <functional>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/architectures.hpp"

namespace rdi::zoo {
namespace {

using Build = std::function<onnx::ModelProto(const std::string& name, uint64_t seed, int64_t classes)>;

struct Entry {
  std::string name;
  Build build;
};

Build resNetOf(int blocksPerGroup, ResNetExits exits) {
  return [=](const std::string& name, uint64_t seed, int64_t classes) {
    return resNet(name, blocksPerGroup, exits, seed, classes);
  };
}

Build mobileNetOf(MobileNetExits exits) {
  return [=](const std::string& name, uint64_t seed, int64_t classes) {
    return mobileNetV2(name, exits, seed, classes);
  };
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all{
      {"rdi-smallcnn", smallCnn},
      {"rdi-resnet38", resNetOf(6, ResNetExits::six)},
      {"rdi-resnet38-lean", resNetOf(6, ResNetExits::lean)},
      {"rdi-mobilenetv2", mobileNetOf(MobileNetExits::six)},
      {"rdi-mobilenetv2-k2", mobileNetOf(MobileNetExits::two)},
      {"rdi-mobilenetv2-lean", mobileNetOf(MobileNetExits::lean)},
      {"resnet38", resNetOf(6, ResNetExits::none)},
      {"resnet32", resNetOf(5, ResNetExits::none)},
      {"mobilenetv2", mobileNetOf(MobileNetExits::none)},
      {"resnet20", resNet20},
  };
  return all;
}

/// All of them read pixels in [0, 1], grey or RGB, without mean or deviation.
graph::Metadata describe(const std::string& architecture, const graph::Shape& input) {
  graph::Metadata metadata;
  metadata.architecture = architecture;
  graph::Preprocessing preprocessing;
  preprocessing.channels = static_cast<int>(input[0]);
  preprocessing.height = static_cast<int>(input[1]);
  preprocessing.width = static_cast<int>(input[2]);
  preprocessing.swapRB = preprocessing.channels == 3;
  metadata.preprocessing = preprocessing;
  return metadata;
}

}  // namespace

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const auto& entry : entries()) names.push_back(entry.name);
  return names;
}

onnx::ModelProto build(const std::string& architecture, uint64_t seed, int64_t classes) {
  std::string known;
  for (const auto& entry : entries()) {
    if (entry.name == architecture) {
      onnx::ModelProto model = entry.build(architecture, seed, classes);
      graph::writeMetadata(model, describe(architecture, graph::inputShape(model)));
      return model;
    }
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  throw Error(text("Unknown architecture '", architecture, "'; known are ", known));
}

std::vector<std::string> deadWeights(const std::string& architecture) {
  if (architecture.rfind("rdi-mobilenetv2", 0) == 0) return {"conv2.weight"};  // 1280 x 320 x 1 x 1
  return {};
}

}  // namespace rdi::zoo
