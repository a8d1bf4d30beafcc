// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "tests/fuzz/feed.hpp"

#include <functional>

#include "converters/attach.hpp"
#include "converters/convert.hpp"
#include "converters/inspect.hpp"
#include "converters/inspect_svg.hpp"
#include "converters/inspect_text.hpp"
#include "converters/readers/readers.hpp"
#include "converters/weights.hpp"
#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::test {
namespace {

constexpr size_t kSmall = 1 << 16;  // elements of a tensor that is worth converting

bool feedReader(const std::function<convert::Weights()>& read) {
  try {
    for (const auto& [name, tensor] : read().tensors)
      if (convert::countOf(tensor) <= kSmall) convert::toFloat(tensor);
    return true;
  } catch (const Error&) {
    return false;
  }
}

convert::readers::File fileOf(const std::string& bytes) { return std::make_shared<const std::string>(bytes); }

}  // namespace

bool feedWeights(const std::string& bytes) {
  return feedReader([&] { return convert::parseWeights(bytes, "file"); });
}

bool feedTorchZip(const std::string& bytes) {
  return feedReader([&] { return convert::readers::readTorchZip(fileOf(bytes), ""); });
}

bool feedTorchLegacy(const std::string& bytes) {
  return feedReader([&] { return convert::readers::readTorchLegacy(fileOf(bytes), ""); });
}

bool feedSafetensors(const std::string& bytes) {
  return feedReader([&] { return convert::readers::readSafetensors(fileOf(bytes)); });
}

bool feedOnnxWeights(const std::string& bytes) {
  return feedReader([&] { return convert::readers::readOnnx(fileOf(bytes)); });
}

bool feedModel(const std::string& bytes) {
  const auto attempt = [](const std::function<void()>& body) {
    try {
      body();
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  onnx::ModelProto model;
  if (!attempt([&] { model = graph::parseModel(bytes.data(), bytes.size(), "in.onnx"); })) return false;
  attempt([&] {
    const auto found = convert::inspect(model, "in.onnx", bytes.size());
    convert::toText(found);
    convert::toSvg(found);
    found.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
  });
  const auto convertAndRead = [&](const convert::ConvertOptions& options) {
    const auto early = graph::serialize(convert::toEarlyExit(model, "in.onnx", options));
    convert::inspect(graph::parseModel(early.data(), early.size(), "out.onnx"), "out.onnx", early.size());
  };
  attempt([&] { convertAndRead({}); });
  attempt([&] {
    convert::ConvertOptions options;
    options.exits = graph::exitNames(model);
    options.thresholds.emplace(options.exits.size() - 1, 0.5f);
    convertAndRead(options);
  });
  attempt([&] {
    const auto alone = convert::toStatic(model, "in.onnx", graph::exitNames(model).back());
    const auto bytesAlone = graph::serialize(alone);
    graph::parseModel(bytesAlone.data(), bytesAlone.size(), "out.onnx");
    convert::AttachOptions options;
    options.exits = 1;
    options.share = 1;
    convert::attachExits(alone, "in.onnx", options);
  });
  return true;
}

}  // namespace rdi::test
