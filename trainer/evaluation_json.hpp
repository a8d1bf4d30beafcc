// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "trainer/evaluation.hpp"

namespace rdi::train {

/// Version of the JSON form (docs/evaluation.md, docs/evaluation.schema.json): raised when a reader of the
/// old form would misread the new one.
constexpr int kEvaluationVersion = 1;

/// The whole evaluation, with the figures that follow from it for readers in other languages.
nlohmann::json toJson(const Evaluation& evaluation);

/// What is worth a place in a model's metadata: rows and figures, nothing about single images.
nlohmann::json toCompactJson(const Evaluation& evaluation);

/// fromJson(toJson(e)) is e. Throws rdi::Error saying what is missing or does not fit.
Evaluation fromJson(const nlohmann::json& json);

/// The same as files; errors begin with the file.
void saveEvaluation(const Evaluation& evaluation, const std::string& path);
Evaluation loadEvaluation(const std::string& path);

}  // namespace rdi::train
