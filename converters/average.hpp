// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

namespace rdi::convert {

struct NamedModel {
  std::string file;  // for messages
  onnx::ModelProto model;
};

/// The network whose every weight is the mean of that weight in `models` (two or more): a "model soup"
/// (Wortsman et al., ICML 2022). It makes sense for stages of one training, whose weights lie in one valley.
/// Metadata are the first one's, without rule and results, and its recipe notes the files in
/// "averaged". Throws rdi::Error starting with the file's name for a model whose nodes, outputs or weights'
/// shapes are not the first one's, for an early-exit file, for fewer than two models, and when the recipes
/// held out different images: some would have been trained on then.
onnx::ModelProto average(const std::vector<NamedModel>& models);

}  // namespace rdi::convert
