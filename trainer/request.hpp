// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "trainer/attack_options.hpp"
#include "trainer/evaluator.hpp"
#include "trainer/report.hpp"
#include "trainer/subject.hpp"

namespace rdi::train {

/// What every command of rdi-evaluate that runs a model is told.
struct Request {
  std::string model, data;
  std::string attack, attackLoss;
  AttackOptions attackOptions;
  EvaluatorOptions evaluator;
  std::string json;
};

/// Declares the options; checkRequest looks at them after parsing and throws CLI errors.
void declareRequest(CLI::App& app, Request& request);
void checkRequest(Request& request);

/// The attacks asked for; none for --attack none.
std::vector<AttackForm> attackForms(const Request& request, size_t exitCount);

/// Scores of the clean images, then of each attack, with a progress line.
std::vector<ScoreTable> collect(const Request& request, const Subject& subject, const ImageSet& images,
                                const std::vector<AttackForm>& forms);

Report makeReport(const Subject& subject, const graph::ExitRule& rule, const std::vector<ScoreTable>& tables,
                  const std::vector<AttackForm>& forms);
void print(const Request& request, const Subject& subject, const graph::ExitRule& rule, const Report& report,
           const char* set);
nlohmann::json resultJson(const Request& request, const Subject& subject, const graph::ExitRule& rule,
                          const Report& report, const char* set);

}  // namespace rdi::train
