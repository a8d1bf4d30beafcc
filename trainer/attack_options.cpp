// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attack_options.hpp"

#include <cmath>

#include "graph/error.hpp"

namespace rdi::train {

void checkAttackOptions(const AttackOptions& options) {
  if (!(options.epsilon >= 0 && options.epsilon <= 1))
    throw Error(text("attack: found epsilon ", options.epsilon, ", expected 0 to 1 (pixels are in [0,1])"));
  if (!(options.stepSize >= 0 && options.stepSize <= 1))
    throw Error(
        text("attack: found step size ", options.stepSize, ", expected 0 to 1 (pixels are in [0,1])"));
  if (options.steps < 0) throw Error(text("attack: found ", options.steps, " steps, expected 0 or more"));
  if (options.restarts < 1)
    throw Error(text("attack: found ", options.restarts, " restarts, expected 1 or more"));
  if (!(options.startScale >= 0 && std::isfinite(options.startScale)))
    throw Error(text("attack: found start scale ", options.startScale, ", expected 0 or more"));
}

std::string AttackForm::name(size_t exitCount) const {
  switch (kind) {
    case Kind::single:
      return exit + 1 == exitCount ? "main" : text("single:", exit + 1);
    case Kind::average:
      return "average";
    case Kind::own:
      return "own";
    case Kind::maxAverage:
      return "max-average";
  }
  return "";
}

AttackForm attackFormFromName(const std::string& name, size_t exitCount) {
  if (name == "average") return {AttackForm::Kind::average, 0};
  if (name == "own") return {AttackForm::Kind::own, 0};
  if (name == "max-average") return {AttackForm::Kind::maxAverage, 0};
  if (name == "main") return {AttackForm::Kind::single, exitCount - 1};
  const std::string prefix = "single:";
  if (name.rfind(prefix, 0) == 0) {
    const std::string digits = name.substr(prefix.size());
    if (!digits.empty() && digits.size() < 4 && digits.find_first_not_of("0123456789") == std::string::npos) {
      const size_t exit = std::stoul(digits);
      if (exit >= 1 && exit <= exitCount) return {AttackForm::Kind::single, exit - 1};
    }
  }
  throw Error(
      text("attack loss \"", name,
           "\" is not known; known are average, own, max-average, main and single:1 to single:", exitCount));
}

AttackMode attackModeFromName(const std::string& name) {
  if (name == "eval") return AttackMode::eval;
  if (name == "batch") return AttackMode::batch;
  if (name == "train") return AttackMode::train;
  throw Error(text("attack mode \"", name, "\" is not known; known are eval, batch and train"));
}

std::string nameOf(AttackMode mode) {
  switch (mode) {
    case AttackMode::eval:
      return "eval";
    case AttackMode::batch:
      return "batch";
    case AttackMode::train:
      return "train";
  }
  return "";
}

}  // namespace rdi::train
