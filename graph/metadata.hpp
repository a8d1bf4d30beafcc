// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "graph/cost.hpp"
#include "graph/exit_rule.hpp"
#include "graph/operating_points.hpp"

namespace rdi::graph {

/// How cv::dnn::blobFromImage must be called: blob = (pixel - mean) * scale, resized to the model's input.
struct Preprocessing {
  double scale = 1.0 / 255.0;
  std::vector<double> mean;  // one value a channel, in pixel units 0..255; empty = 0
  bool swapRB = false;       // true when the model wants RGB (OpenCV reads BGR)
  int channels = 3;          // 1 = grey
  int height = 0, width = 0;
};

/// What a model file says about itself, under keys `rdi.*` of ONNX's metadata_props. Every field may be
/// absent.
struct Metadata {
  std::string architecture;                     // rdi.architecture, e.g. rdi-smallcnn
  std::vector<std::string> classNames;          // rdi.class_names, JSON array
  std::optional<Preprocessing> preprocessing;   // rdi.preprocessing, JSON object
  std::optional<ExitRule> rule;                 // rdi.rule, JSON object: what the file answers by
  std::vector<OperatingPoint> operatingPoints;  // rdi.operating_points, JSON object: other rules, by name
  nlohmann::json cost;                          // rdi.cost, JSON: one object an exit (see costToJson)
  nlohmann::json results;                       // rdi.results, what rdi-evaluate measured
  nlohmann::json calibration;                   // rdi.calibration, how the rule was chosen
  nlohmann::json recipe;                        // rdi.recipe, how it was trained
};

/// Throws rdi::Error naming the key when a value cannot be read.
Metadata readMetadata(const onnx::ModelProto& model);

/// Replaces the keys that are set in `metadata` and leaves all others alone.
void writeMetadata(onnx::ModelProto& model, const Metadata& metadata);

/// Removes rdi.results and rdi.calibration: for a model whose rule is no longer the one that was measured.
void eraseResults(onnx::ModelProto& model);

/// Removes rdi.operating_points.
void eraseOperatingPoints(onnx::ModelProto& model);

/// Removes rdi.rule, rdi.operating_points and rdi.results too: for a model whose weights or exits are no
/// longer those they were made for.
void eraseRuleAndResults(onnx::ModelProto& model);

/// What the exits give out: probabilities when each ends in Softmax (seen through Identity and Dropout), else
/// logits. Throws rdi::Error when only some do.
Scores kindOfScores(const onnx::ModelProto& model, const std::vector<std::string>& exits);

/// Costs as JSON: [{exit, own_conv, own_linear, paid_conv, paid_linear, paper_mi}].
nlohmann::json costToJson(const std::vector<ExitCost>& costs);
nlohmann::json costToJson(const onnx::ModelProto& model, const std::vector<std::string>& exits = {});
std::vector<ExitCost> costFromJson(const nlohmann::json& value);

/// {criterion, fusion, patience, scores, thresholds}.
nlohmann::json ruleToJson(const ExitRule& rule);
ExitRule ruleFromJson(const nlohmann::json& value);

/// A number as JSON, which has no infinity and no NaN: they are written as "inf", "-inf" and "nan".
nlohmann::json numberToJson(double value);
double numberFromJson(const nlohmann::json& value);

}  // namespace rdi::graph
