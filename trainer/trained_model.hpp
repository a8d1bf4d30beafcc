// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <nlohmann/json.hpp>

#include "trainer/data.hpp"
#include "trainer/train_options.hpp"

namespace rdi::train {

/// Writes into a model whose weights were trained how that was done: classes, preprocessing, cost and recipe,
/// with `results` (an object) among the latter. Rule and results of before are forgotten: they speak of other
/// weights. Paths of this machine are left out.
void stateTraining(onnx::ModelProto& model, const TrainOptions& options, const DataSource& source,
                   const nlohmann::json& results);

}  // namespace rdi::train
