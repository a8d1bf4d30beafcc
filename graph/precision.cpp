// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "graph/precision.hpp"

#include <cmath>

#include "graph/error.hpp"

namespace rdi::graph {
namespace {

constexpr char kRangesKey[] = "rdi.ranges";

Range rangeFromJson(const std::string& tensor, const nlohmann::json& value) {
  const bool pair = value.is_array() && value.size() == 2 && value[0].is_number() && value[1].is_number();
  const Range range = pair ? Range{value[0].get<float>(), value[1].get<float>()} : Range{1, 0};
  if (!(range.low <= range.high) || !std::isfinite(range.low) || !std::isfinite(range.high))
    throw Error(text(kRangesKey, ": the range of tensor '", tensor, "' is ", value.dump(),
                     ", expected [low, high]; convert the model again"));
  return range;
}

}  // namespace

std::string nameOf(Precision precision) {
  switch (precision) {
    case Precision::float32:
      return "float32";
    case Precision::bf16:
      return "bf16";
    case Precision::int8:
      return "int8";
  }
  throw Error("unknown precision");
}

Precision precisionFromName(const std::string& name) {
  for (const Precision precision : {Precision::float32, Precision::bf16, Precision::int8})
    if (name == nameOf(precision)) return precision;
  throw Error(text("precision '", name, "' is unknown, expected float32, bf16 or int8"));
}

RangeMap readRanges(const onnx::ModelProto& stage) {
  RangeMap ranges;
  for (const auto& property : stage.metadata_props()) {
    if (property.key() != kRangesKey) continue;
    const auto json = nlohmann::json::parse(property.value(), nullptr, false);
    if (!json.is_object()) throw Error(text(kRangesKey, " is no JSON object; convert the model again"));
    for (const auto& [tensor, range] : json.items()) ranges[tensor] = rangeFromJson(tensor, range);
  }
  return ranges;
}

void writeRanges(onnx::ModelProto& stage, const RangeMap& ranges) {
  auto json = nlohmann::json::object();
  const auto add = [&](const std::string& tensor) {
    const auto range = ranges.find(tensor);
    if (range != ranges.end()) json[tensor] = {range->second.low, range->second.high};
  };
  for (const auto& input : stage.graph().input()) add(input.name());
  for (const auto& node : stage.graph().node())
    for (const auto& output : node.output()) add(output);
  auto* property = stage.add_metadata_props();
  property->set_key(kRangesKey);
  property->set_value(json.dump());
}

}  // namespace rdi::graph
