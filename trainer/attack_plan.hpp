// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/attack_options.hpp"
#include "trainer/evaluation.hpp"

namespace rdi::train {

/// One row of an evaluation: an attack, complete.
struct Attack {
  std::string name;    // "pgd routed"
  std::string method;  // "pgd"
  Family family = Family::adaptive;
  AttackForm form;
  AttackOptions options;
  bool inBall = true;          // its images lie in the ball of the evaluation
  bool onlySurvivors = false;  // tried only on images that the attacks before it left right

  /// Everything that decides its images, for people and to tell two attacks apart.
  nlohmann::json settings(size_t exitCount) const;

  /// Whether it makes other images against another rule that fuses like this.
  bool dependsOnRule(graph::Fusion fusion) const;
};

/// What somebody asks of attacks; a negative number stands for what is usual for data and method.
struct AttackRequest {
  AttackOptions options;  // of PGD; epsilon, stepSize and steps may be negative
  int queries = 1000;     // of Square
};

/// Fills in what is usual for the data set: MNIST 0.3 / 0.01 / 40 steps, Fashion-MNIST 0.1 / 0.01 / 40,
/// others 8/255 / 2/255 / 20. A radius alone brings its step along in the same proportion.
AttackRequest usualAttack(const std::string& dataName, AttackRequest request);

/// pgd, fgsm, fgsm-unprojected (the authors' form: up to twice the radius), wrm, cw, apgd-ce, apgd-dlr,
/// apgd-t, square.
std::vector<std::string> attackMethods();

/// `method` in a form. `steps` of the request count for every gradient method when `stepsAsked`.
/// Throws rdi::Error for an unknown method.
Attack attackOf(const std::string& method, const AttackForm& form, const AttackRequest& request,
                bool stepsAsked, size_t exitCount);

/// The attacks of suite fast, paper or full for a model of so many exits; for a single exit all forms are
/// one, and there is nothing to slow down. Throws rdi::Error for an unknown suite.
std::vector<Attack> attackSuite(const std::string& suite, const AttackRequest& request, bool stepsAsked,
                                size_t exitCount);

}  // namespace rdi::train
