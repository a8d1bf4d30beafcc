// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attack_options.hpp"

#include <array>
#include <cmath>
#include <utility>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

using Kind = AttackForm::Kind;

template <typename T, size_t N>
using Names = std::array<std::pair<T, const char*>, N>;

constexpr Names<AttackMode, 3> kModes = {
    {{AttackMode::eval, "eval"}, {AttackMode::batch, "batch"}, {AttackMode::train, "train"}}};
constexpr Names<Norm, 2> kNorms = {{{Norm::linf, "linf"}, {Norm::l2, "l2"}}};
constexpr Names<Surrogate, 5> kSurrogates = {{{Surrogate::crossEntropy, "ce"},
                                              {Surrogate::margin, "margin"},
                                              {Surrogate::dlr, "dlr"},
                                              {Surrogate::targetedDlr, "targeted-dlr"},
                                              {Surrogate::divergence, "divergence"}}};
// All but single, whose name holds a number.
constexpr Names<Kind, 9> kForms = {{{Kind::average, "average"},
                                    {Kind::own, "own"},
                                    {Kind::maxAverage, "max-average"},
                                    {Kind::random, "random"},
                                    {Kind::routed, "routed"},
                                    {Kind::softRouted, "soft-routed"},
                                    {Kind::slowdownUniform, "slowdown-uniform"},
                                    {Kind::slowdownHinge, "slowdown-hinge"},
                                    {Kind::slowdownDepth, "slowdown-depth"}}};

template <typename T, size_t N>
std::string nameIn(const Names<T, N>& names, T value) {
  for (const auto& [known, name] : names)
    if (known == value) return name;
  return "";
}

template <typename T, size_t N>
std::string listOf(const Names<T, N>& names) {
  std::string list;
  for (size_t i = 0; i < N; ++i) list += text(i == 0 ? "" : i + 1 == N ? " and " : ", ", names[i].second);
  return list;
}

template <typename T, size_t N>
T valueIn(const Names<T, N>& names, const std::string& name, const char* what) {
  for (const auto& [value, known] : names)
    if (name == known) return value;
  throw Error(text(what, " \"", name, "\" is not known; known are ", listOf(names)));
}

// "found 8, expected 0 to 1": whoever counts pixels from 0 to 255 gets the value to write instead.
std::string inPixels(double value) {
  return value > 1 && value <= 255
             ? text("; pixels are in [0,1]: write ", value, "/255 for ", value, " of 255 levels")
             : std::string("; pixels are in [0,1]");
}

}  // namespace

void checkAttackOptions(const AttackOptions& options) {
  if (!(options.epsilon >= 0 && std::isfinite(options.epsilon)) ||
      (options.norm == Norm::linf && options.epsilon > 1))
    throw Error(
        text("attack: found epsilon ", options.epsilon, ", expected 0 to 1", inPixels(options.epsilon)));
  if (!(options.stepSize >= 0 && std::isfinite(options.stepSize)) ||
      (options.norm == Norm::linf && options.stepSize > 1))
    throw Error(
        text("attack: found step size ", options.stepSize, ", expected 0 to 1", inPixels(options.stepSize)));
  if (options.steps < 0) throw Error(text("attack: found ", options.steps, " steps, expected 0 or more"));
  if (options.restarts < 1)
    throw Error(text("attack: found ", options.restarts, " restarts, expected 1 or more"));
  if (!(options.startScale >= 0 && std::isfinite(options.startScale)))
    throw Error(text("attack: found start scale ", options.startScale, ", expected 0 or more"));
  if (!(options.temperature > 0 && std::isfinite(options.temperature)))
    throw Error(text("attack: found temperature ", options.temperature, ", expected more than 0"));
  if (options.stepRule == StepRule::square && options.norm != Norm::linf)
    throw Error("attack: Square moves within the l-infinity ball; give --norm linf");
}

std::string AttackForm::name(size_t exitCount) const {
  if (kind != Kind::single) return nameIn(kForms, kind);
  return exit + 1 == exitCount ? "main" : text("single:", exit + 1);
}

bool AttackForm::isSlowdown() const {
  return kind == Kind::slowdownUniform || kind == Kind::slowdownHinge || kind == Kind::slowdownDepth;
}

bool AttackForm::followsRule() const {
  return kind == Kind::routed || kind == Kind::softRouted || kind == Kind::slowdownHinge ||
         kind == Kind::slowdownDepth;
}

AttackForm attackFormFromName(const std::string& name, size_t exitCount) {
  for (const auto& [kind, known] : kForms)
    if (name == known) return {kind, 0};
  if (name == "main") return {AttackForm::Kind::single, exitCount - 1};
  const std::string prefix = "single:";
  if (name.rfind(prefix, 0) == 0) {
    const std::string digits = name.substr(prefix.size());
    if (!digits.empty() && digits.size() < 4 && digits.find_first_not_of("0123456789") == std::string::npos) {
      const size_t exit = std::stoul(digits);
      if (exit >= 1 && exit <= exitCount) return {AttackForm::Kind::single, exit - 1};
    }
  }
  throw Error(text("attack loss \"", name, "\" is not known; known are main, single:1 to single:", exitCount,
                   ", ", listOf(kForms)));
}

AttackMode attackModeFromName(const std::string& name) { return valueIn(kModes, name, "attack mode"); }
std::string nameOf(AttackMode mode) { return nameIn(kModes, mode); }
Norm normFromName(const std::string& name) { return valueIn(kNorms, name, "norm"); }
std::string nameOf(Norm norm) { return nameIn(kNorms, norm); }
Surrogate surrogateFromName(const std::string& name) { return valueIn(kSurrogates, name, "surrogate"); }
std::string nameOf(Surrogate surrogate) { return nameIn(kSurrogates, surrogate); }

}  // namespace rdi::train
