// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>
#include <vector>

#include "graph/shapes.hpp"
#include "tests/graph/naive_operators.hpp"

namespace rdi::test {

/// Runs a model in the plainest way there is, with double accumulators and nothing shared with the code under
/// test but the attribute readers; knows the operators of classifiers from any exporter. Returns every
/// tensor.
std::map<std::string, Tensor> runNaively(const onnx::ModelProto& model,
                                         const std::map<std::string, Tensor>& inputs);

/// The same for a model of one input.
std::map<std::string, Tensor> runNaively(const onnx::ModelProto& model, const Tensor& input);

/// A reproducible picture batch in [0, 1].
Tensor randomInput(const graph::Shape& shape, uint64_t seed);

/// Replaces every float initializer by random values in a range that keeps activations tame, so that weights
/// which a fresh network starts at 0 or 1 (BatchNormalization, last layers) take part in comparisons;
/// variances stay positive.
void randomizeWeights(onnx::ModelProto& model, uint64_t seed);

/// Largest |a - b| divided by the largest |a| (at least 1e-6): how far b is from a, whatever the scale.
double relativeDifference(const Tensor& a, const Tensor& b);

}  // namespace rdi::test
