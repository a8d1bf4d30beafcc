// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>
#include <vector>

#include "converters/pictures.hpp"
#include "graph/exit_rule.hpp"
#include "graph/precision.hpp"
#include "graph/tensor_ranges.hpp"

namespace rdi::convert {

struct ConvertOptions {
  std::vector<std::string> exits;  // in the order tried, the last takes what is left; empty = all outputs
  std::optional<std::vector<float>> thresholds;  // one for every exit but the last; absent = the metadata's
  std::optional<graph::Criterion> criterion;     // absent = the metadata's, else entropy
  std::optional<graph::Fusion> fusion;           // absent = the metadata's, else last
  std::optional<int> patience;                   // absent = the metadata's, else 1
  std::optional<std::string> operatingPoint;     // takes the place of the metadata's rule
  std::string engine = "auto";
  graph::Precision precision = graph::Precision::float32;
  std::optional<Pictures> calibration;  // int8: pictures that tell how large values between the layers are
  graph::RangeProgress progress;        // told how many of them are done
};

/// Multi-exit model -> early-exit model (see graph/early_exit.hpp). Measured results stay in the metadata
/// only when exits and rule are those they were measured with. Throws rdi::Error starting with `name` (the
/// file) for an early-exit or single-exit model, exits that do not exist or repeat, and thresholds that are
/// absent, NaN, too many, too few or meant for another criterion, an operating point that is not there, and
/// for int8 without pictures or with pictures of another size.
onnx::ModelProto toEarlyExit(const onnx::ModelProto& model, const std::string& name,
                             const ConvertOptions& options);

/// The same model as standard ONNX with nested `If` (see graph/nested_if.hpp), by the same rules.
onnx::ModelProto toNestedIf(const onnx::ModelProto& model, const std::string& name,
                            const ConvertOptions& options);

/// One piece of the early-exit chain as plain ONNX of batch 1 for any runtime: `part` is stage1, stage2, ...
/// for the trunk on the way to an exit, classifier_EXIT or EXIT for an exit's own branch. Of an early-exit
/// file it is what stands in the file, of a multi-exit model what conversion with `exits` (empty = all
/// outputs) would put there. Throws rdi::Error starting with `name` and listing the parts for one that is not
/// there.
onnx::ModelProto toPart(const onnx::ModelProto& model, const std::string& name,
                        const std::vector<std::string>& exits, const std::string& part);

/// One exit alone as a plain simplified model; throws rdi::Error starting with `name`.
onnx::ModelProto toStatic(const onnx::ModelProto& model, const std::string& name, const std::string& exit);

}  // namespace rdi::convert
