// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attack_plan.hpp"

#include <algorithm>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

using Kind = AttackForm::Kind;

constexpr int kApgdSteps = 50, kFastApgdSteps = 20, kWrmSteps = 15, kTargets = 9;
constexpr double kWrmEpsilon = 0.3;  // weight of the loss against the squared distance, for all data

bool startsWith(const std::string& text, const std::string& prefix) { return text.rfind(prefix, 0) == 0; }

const char* nameOf(StepRule rule) {
  switch (rule) {
    case StepRule::constant:
      return "constant";
    case StepRule::apgd:
      return "apgd";
    case StepRule::wrm:
      return "wrm";
    case StepRule::square:
      return "square";
  }
  return "";
}

// Single attacks on every exit, the main one last, then average and max-average: K + 3 forms.
std::vector<AttackForm> paperForms(size_t exitCount) {
  std::vector<AttackForm> forms;
  for (size_t k = 0; k < exitCount; ++k) forms.push_back({Kind::single, k});
  if (exitCount > 1) {
    forms.push_back({Kind::average, 0});
    forms.push_back({Kind::maxAverage, 0});
  }
  return forms;
}

Family familyOf(const std::string& method, const AttackForm& form) {
  if (form.isSlowdown()) return Family::slowdown;
  if (method == "square") return Family::blackBox;
  if (startsWith(method, "fgsm") || method == "wrm" || form.kind == Kind::random || form.kind == Kind::own)
    return Family::simple;
  const bool isPaper =
      form.kind == Kind::single || form.kind == Kind::average || form.kind == Kind::maxAverage;
  return method == "pgd" && isPaper ? Family::paper : Family::adaptive;
}

}  // namespace

nlohmann::json Attack::settings(size_t exitCount) const {
  nlohmann::json json = {{"method", method},
                         {"form", form.name(exitCount)},
                         {"surrogate", nameOf(options.surrogate)},
                         {"norm", train::nameOf(options.norm)},
                         {"epsilon", options.epsilon},
                         {"steps", options.steps},
                         {"step_rule", nameOf(options.stepRule)},
                         {"random_start", options.randomStart},
                         {"start_scale", options.startScale},
                         {"project", options.project},
                         {"restarts", options.restarts},
                         {"keep", options.keep == Keep::best ? "best" : "last"}};
  if (options.stepRule == StepRule::constant) json["step_size"] = options.stepSize;
  if (form.kind == Kind::softRouted || form.kind == Kind::slowdownDepth)
    json["temperature"] = options.temperature;
  return json;
}

bool Attack::dependsOnRule(graph::Fusion fusion) const {
  // Of several iterates or runs the successful one is kept, and the rule says what success is.
  return form.followsRule() || options.keep == Keep::best || options.restarts > 1 ||
         fusion != graph::Fusion::last;
}

AttackRequest usualAttack(const std::string& dataName, AttackRequest request) {
  double epsilon = 8.0 / 255, stepSize = 2.0 / 255;
  int steps = 20;
  if (dataName == "mnist" || dataName == "fashion-mnist") {
    epsilon = dataName == "mnist" ? 0.3 : 0.1;
    stepSize = 0.01;
    steps = 40;
  }
  if (request.options.norm == Norm::l2 && request.options.epsilon < 0)
    throw Error("--norm l2: needs --epsilon, the length of the whole perturbation, e.g. 0.5");
  if (request.options.stepSize < 0)
    request.options.stepSize =
        request.options.epsilon < 0 ? stepSize : stepSize * request.options.epsilon / epsilon;
  if (request.options.epsilon < 0) request.options.epsilon = epsilon;
  if (request.options.steps < 0) request.options.steps = steps;
  return request;
}

std::vector<std::string> attackMethods() {
  return {"pgd", "fgsm", "fgsm-unprojected", "wrm", "cw", "apgd-ce", "apgd-dlr", "apgd-t", "square"};
}

Attack attackOf(const std::string& method, const AttackForm& form, const AttackRequest& request,
                bool stepsAsked, size_t exitCount) {
  const std::vector<std::string> methods = attackMethods();
  if (std::find(methods.begin(), methods.end(), method) == methods.end()) {
    std::string known;
    for (const std::string& name : methods) known += (known.empty() ? "" : ", ") + name;
    throw Error(text("attack \"", method, "\" is not known; known are ", known));
  }
  Attack attack;
  attack.method = method;
  attack.form = form;
  attack.options = request.options;
  attack.name = method + " " + form.name(exitCount);
  attack.family = familyOf(method, form);
  AttackOptions& options = attack.options;
  if (startsWith(method, "fgsm")) {
    options.steps = 1;
    options.stepSize = options.epsilon;
    options.project = method == "fgsm";
  } else if (method == "wrm") {
    options.stepRule = StepRule::wrm;
    options.epsilon = kWrmEpsilon;
    options.steps = stepsAsked ? options.steps : kWrmSteps;
    options.randomStart = false;
    options.project = false;
  } else if (method == "cw") {
    options.surrogate = Surrogate::margin;
  } else if (method == "square") {
    options.stepRule = StepRule::square;
    options.surrogate = Surrogate::margin;
    options.steps = request.queries;
    options.keep = Keep::best;
  } else if (startsWith(method, "apgd")) {
    options.stepRule = StepRule::apgd;
    options.keep = Keep::best;
    options.steps = stepsAsked ? options.steps : kApgdSteps;
    if (method == "apgd-dlr") options.surrogate = Surrogate::dlr;
    if (method == "apgd-t") {
      options.surrogate = Surrogate::targetedDlr;
      options.restarts = kTargets;
    }
  }
  attack.inBall = options.project;
  if (form.isSlowdown()) options.keep = Keep::best;
  checkAttackOptions(options);
  return attack;
}

std::vector<Attack> attackSuite(const std::string& suite, const AttackRequest& request, bool stepsAsked,
                                size_t exitCount) {
  std::vector<Attack> attacks;
  const auto add = [&](const std::string& method, AttackForm form) {
    if (exitCount < 2) {
      if (form.isSlowdown()) return;
      form = {Kind::single, 0};
    }
    Attack attack = attackOf(method, form, request, stepsAsked, exitCount);
    if (suite == "fast" && startsWith(method, "apgd") && !stepsAsked) attack.options.steps = kFastApgdSteps;
    // Costly ones, which matter for the union alone.
    attack.onlySurvivors = method == "apgd-t" || method == "square";
    const auto isSame = [&](const Attack& other) { return other.name == attack.name; };
    if (std::none_of(attacks.begin(), attacks.end(), isSame)) attacks.push_back(attack);
  };
  const auto addForms = [&](const std::string& method, const std::vector<AttackForm>& forms) {
    for (const AttackForm& form : forms) add(method, form);
  };
  if (suite == "fast") {
    addForms("pgd", {{Kind::average, 0}, {Kind::routed, 0}});
    addForms("apgd-ce", {{Kind::routed, 0}, {Kind::softRouted, 0}});
    add("pgd", {Kind::slowdownHinge, 0});
    return attacks;
  }
  if (suite != "paper" && suite != "full")
    throw Error(text("suite \"", suite, "\" is not known; known are fast, paper and full"));
  const std::vector<AttackForm> forms = paperForms(exitCount);
  addForms("pgd", forms);
  if (suite == "paper") return attacks;
  add("pgd", {Kind::random, 0});
  for (const char* method : {"fgsm", "fgsm-unprojected", "wrm"}) addForms(method, forms);
  addForms("pgd", {{Kind::routed, 0}, {Kind::softRouted, 0}});
  add("cw", {Kind::routed, 0});
  addForms("apgd-ce", {{Kind::average, 0}, {Kind::routed, 0}, {Kind::softRouted, 0}});
  add("apgd-dlr", {Kind::routed, 0});
  addForms("pgd", {{Kind::slowdownUniform, 0}, {Kind::slowdownHinge, 0}, {Kind::slowdownDepth, 0}});
  add("apgd-t", {Kind::routed, 0});
  add("square", {Kind::routed, 0});
  return attacks;
}

}  // namespace rdi::train
