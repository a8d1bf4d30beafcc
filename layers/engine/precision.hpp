// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <vector>

#include "graph/precision.hpp"
#include "layers/engine/program.hpp"
#include "layers/engine/stage_engine.hpp"

namespace rdi::engine {

/// Makes the convolutions of a program compute in bf16 or int8, and converts values where such a convolution
/// meets an operation that stays in float32. In float32 stay: the convolutions that read the net's own
/// pictures (inputs of layout nchw), inner products, everything that is no convolution but max-pooling,
/// weights that are not finite, inputs and outputs of the program, and with int8 what reads or writes a
/// tensor without range. Weights become signed 8-bit numbers with one scale an output channel, activations
/// 8-bit numbers with one scale a tensor, unsigned where the range has nothing below 0.
void lowerPrecision(Program& program, const std::vector<Layout>& inputLayouts, graph::Precision precision,
                    const graph::RangeMap& ranges);

}  // namespace rdi::engine
