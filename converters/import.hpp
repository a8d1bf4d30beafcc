// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "converters/weights.hpp"

namespace rdi::convert {

struct ImportOptions {
  /// FROM=TO, split at the last "=". FROM is the beginning of a name, or "re:" and a regular expression
  /// (ECMAScript) of which every match is replaced; TO may then hold $1, $2. Applied one after the other.
  std::vector<std::string> map;
  /// Beginnings of names, or "re:" and a regular expression that finds something in them: tensors that may be
  /// left over.
  std::vector<std::string> ignore;
  /// Likewise: tensors of the network that the file need not have; they keep the values of a new network.
  std::vector<std::string> fresh{};
};

struct Imported {
  onnx::ModelProto model;
  std::vector<std::string> ignored;  // what the file holds and the network does not: "conv2.weight (...)"
  std::vector<std::string> fresh;    // what the network holds and the file does not, by name
};

/// A network of the zoo with these weights. Names are matched without leading "module." and "_orig_mod.",
/// after the rules of `options`. Throws rdi::Error starting with the file's name that lists all tensors that
/// are missing, have another shape, or are left over and may not be.
Imported importWeights(const Weights& weights, const std::string& architecture, const ImportOptions& options);

}  // namespace rdi::convert
