// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <nlohmann/json.hpp>
#include <string>

namespace rdi::convert {

/// What a checked model is and what it costs, as JSON:
///   file, bytes, kind (multi-exit, single-exit, early-exit, nested-if), architecture, opset, input {name,
///   channels, height, width}, classes, class_names, preprocessing, parameters, operators {type: count},
///   exits [{name, threshold, paper_mi, own_macs, paid_macs, share_of_static, parameters}], rule {criterion,
///   fusion, patience, scores, thresholds}, results, recipe, and for early-exit files stages [{name, type,
///   engine, why, precision, inputs, outputs, operators, macs, parameters}].
/// The paper's Mi are convolution MACs of trunk and own head in units of 2^20; share_of_static is paid_macs
/// divided by what the last exit costs without any other; an exit's parameters are those that no exit before
/// it needs (in early-exit files they stand at the stages). `bytes` is the file's size. Throws rdi::Error
/// starting with `name` when metadata or embedded graphs are damaged.
nlohmann::json inspect(const onnx::ModelProto& model, const std::string& name, size_t bytes);

}  // namespace rdi::convert
