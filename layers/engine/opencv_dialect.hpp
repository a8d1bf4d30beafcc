// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

namespace rdi::engine {

/// The same stage in words that OpenCV's importer (4.6 and later) understands: Clip with its bounds as
/// attributes, Gemm without scales and with weights {out, in}, AveragePool that counts its pads as a Pad
/// before it, which the importer would otherwise refuse or, for the pads, silently read differently.
onnx::ModelProto inOpenCvDialect(const onnx::ModelProto& stage);

}  // namespace rdi::engine
