// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rdi::zoo {

/// Names that build() knows: rdi-smallcnn, rdi-resnet38, rdi-mobilenetv2 (six exits), rdi-mobilenetv2-k2 (the
/// paper's two), rdi-resnet38-lean and rdi-mobilenetv2-lean (two exits that cost at most 2 % of the
/// backbone), and with one exit resnet38, mobilenetv2 (the backbones of those), resnet32 (a static net of
/// about the cost that early exits leave of resnet38) and resnet20.
std::vector<std::string> architectures();

/// A multi-exit ONNX model (opset 11, outputs exit1 .. exitK, main: logits) with freshly initialised weights;
/// the same seed gives the same bytes. `classes`, 2 or more, is how many it tells apart. Throws rdi::Error
/// with the known names for an unknown architecture.
onnx::ModelProto build(const std::string& architecture, uint64_t seed = 1, int64_t classes = 10);

/// Names of tensors that checkpoints of the authors' code hold and no layer of theirs uses; build() leaves
/// them out.
std::vector<std::string> deadWeights(const std::string& architecture);

}  // namespace rdi::zoo
