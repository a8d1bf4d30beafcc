// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <nlohmann/json.hpp>
#include <string>

namespace rdi::convert {

/// A model and what inspect() said of it.
struct Inspected {
  const onnx::ModelProto& model;
  const nlohmann::json& found;
};

/// What two models have not in common, as JSON:
///   files [a, b], differences [{what, a, b}] (every value of inspect() that is not the same in both; null
///   where it is absent), weights {same, only_in_a [names], only_in_b, other_shape [{name, a, b}], changed
///   [{name, values, largest_difference, relative}]}.
/// Weights are the float32 tensors, also those of embedded graphs (STAGE/NAME) and of the branches of `If`;
/// `same` counts those that are equal to the bit; `values` is how many of a tensor's values differ,
/// `relative` the largest difference over the largest absolute value in a.
nlohmann::json compare(const Inspected& a, const Inspected& b);

/// The same for people; ends in a newline.
std::string compareText(const nlohmann::json& compared);

}  // namespace rdi::convert
