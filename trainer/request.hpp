// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "trainer/attack_plan.hpp"
#include "trainer/evaluation.hpp"
#include "trainer/evaluator.hpp"
#include "trainer/subject.hpp"

namespace rdi::train {

/// What every command of rdi-evaluate that runs a model is told.
struct Request {
  std::string model, data;
  std::string suite;                    // fast, paper, full; empty = none
  std::vector<std::string> attack;      // methods
  std::vector<std::string> attackLoss;  // forms
  AttackRequest attacks;
  EvaluatorOptions evaluator;
  std::string json;
  std::string folderOption = "--output";  // names evaluator.folder in messages
};

/// Declares the options; checkRequest looks at them after parsing and throws CLI errors.
void declareRequest(CLI::App& app, Request& request);
void checkRequest(Request& request);

/// The attacks asked for, each once; none when none was.
std::vector<Attack> attacksOf(const Request& request, const Subject& subject);

/// For the progress line of a run that is one of many.
struct RunPlace {
  std::string name;
  std::function<double(double here)> later;  // seconds of the runs to come when this one takes `here` more
};

/// Runs the clean images and the attacks with a progress line, SIGINT and SIGTERM stop it: then nothing.
std::optional<std::vector<AttackedScores>> runAttacks(const Request& request, Evaluator& evaluator,
                                                      const std::vector<Attack>& attacks,
                                                      const graph::ExitRule& rule,
                                                      const RunPlace& place = {});

/// What a rule makes of scores that runAttacks gave.
Evaluation evaluationOf(const Subject& subject, const std::string& set, uint64_t seed,
                        const graph::ExitRule& rule, const ImageSet& images,
                        const std::vector<Attack>& attacks, const std::vector<AttackedScores>& scores);

}  // namespace rdi::train
