// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <string>

#include "trainer/evaluation.hpp"

namespace rdi::train {

/// Writes the results, without single images, into the model's metadata (rdi.results).
void writeResults(onnx::ModelProto& model, const Evaluation& evaluation);

/// The card beside a model: models/x.onnx -> models/x.md.
std::string cardOf(const std::string& modelFile);

/// The results as Markdown, between two comments that updateCard finds again.
std::string cardSection(const Evaluation& evaluation);

/// Replaces what stands between the two comments in a card, appends both to a card without them, and makes a
/// card where there is none. Throws rdi::Error for a card that has one comment without the other or either
/// twice, and when the file cannot be written; the card is then as it was.
void updateCard(const std::string& path, const Evaluation& evaluation);

}  // namespace rdi::train
