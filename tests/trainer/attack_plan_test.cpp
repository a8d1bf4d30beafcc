// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/attack_plan.hpp"

#include <gtest/gtest.h>

#include <set>

#include "graph/error.hpp"

namespace rdi::train {
namespace {

AttackRequest unasked() {
  AttackRequest request;
  request.options.epsilon = request.options.stepSize = request.options.steps = -1;
  return request;
}

std::vector<std::string> namesOf(const std::vector<Attack>& attacks) {
  std::vector<std::string> names;
  for (const Attack& attack : attacks) names.push_back(attack.name);
  return names;
}

TEST(AttackSuite, PaperIsPgdInAllFormsOfThePaper) {
  const auto attacks = attackSuite("paper", usualAttack("cifar10", unasked()), false, 3);
  EXPECT_EQ(namesOf(attacks), (std::vector<std::string>{"pgd single:1", "pgd single:2", "pgd main",
                                                        "pgd average", "pgd max-average"}));
  for (const Attack& attack : attacks) EXPECT_EQ(attack.family, Family::paper);
}

TEST(AttackSuite, FullHoldsThePapersAndEveryFamily) {
  const auto attacks = attackSuite("full", usualAttack("cifar10", unasked()), false, 7);
  std::set<Family> families;
  std::set<std::string> names;
  for (const Attack& attack : attacks) {
    families.insert(attack.family);
    EXPECT_TRUE(names.insert(attack.name).second) << attack.name;
    EXPECT_EQ(attack.inBall, attack.name.rfind("wrm", 0) != 0 && attack.name.rfind("fgsm-un", 0) != 0);
  }
  EXPECT_EQ(families.size(), 5U);  // all but clean
  for (const char* name :
       {"pgd max-average", "pgd random", "fgsm single:7x", "apgd-ce soft-routed", "square routed"})
    EXPECT_EQ(names.count(name), std::string(name).back() == 'x' ? 0U : 1U) << name;
  // What matters for the union alone comes last.
  EXPECT_TRUE(attacks.back().onlySurvivors);
  for (size_t i = 1; i < attacks.size(); ++i)
    EXPECT_GE(attacks[i].onlySurvivors, attacks[i - 1].onlySurvivors);
}

TEST(AttackSuite, OfASingleExitNamesEachAttackOnce) {
  for (const char* suite : {"fast", "paper", "full"}) {
    std::set<std::string> names;
    for (const Attack& attack : attackSuite(suite, usualAttack("mnist", unasked()), false, 1)) {
      EXPECT_TRUE(names.insert(attack.name).second) << attack.name;
      EXPECT_NE(attack.name.find(" main"), std::string::npos) << attack.name;
    }
  }
  EXPECT_THROW(attackSuite("huge", usualAttack("mnist", unasked()), false, 3), Error);
}

TEST(UsualAttack, FillsInWhatWasNotAsked) {
  const AttackOptions mnist = usualAttack("mnist", unasked()).options;
  EXPECT_DOUBLE_EQ(mnist.epsilon, 0.3);
  EXPECT_DOUBLE_EQ(mnist.stepSize, 0.01);
  EXPECT_EQ(mnist.steps, 40);
  const AttackOptions cifar = usualAttack("cifar10", unasked()).options;
  EXPECT_DOUBLE_EQ(cifar.epsilon, 8.0 / 255);
  EXPECT_EQ(cifar.steps, 20);
  AttackRequest request = unasked();
  request.options.epsilon = 4.0 / 255;
  EXPECT_DOUBLE_EQ(usualAttack("cifar10", request).options.stepSize, 1.0 / 255) << "in proportion";
  request.options.stepSize = 0.5;
  EXPECT_DOUBLE_EQ(usualAttack("cifar10", request).options.stepSize, 0.5);
  request = unasked();
  request.options.norm = Norm::l2;
  EXPECT_THROW(usualAttack("cifar10", request), Error);
}

TEST(AttackOf, StepsThatWereAskedForCountForEveryGradientMethod) {
  const AttackRequest request = usualAttack("cifar10", unasked());
  const AttackForm form{AttackForm::Kind::average, 0};
  EXPECT_EQ(attackOf("apgd-ce", form, request, false, 3).options.steps, 50);
  EXPECT_EQ(attackOf("apgd-ce", form, request, true, 3).options.steps, 20);
  EXPECT_EQ(attackOf("fgsm", form, request, true, 3).options.steps, 1);
  EXPECT_EQ(attackOf("square", form, request, true, 3).options.steps, 1000);
  EXPECT_THROW(attackOf("magic", form, request, true, 3), Error);
}

TEST(AttackOptions, APixelUnitOf255IsNamed) {
  AttackOptions options;
  options.epsilon = 8;
  try {
    checkAttackOptions(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("write 8/255"), std::string::npos) << error.what();
  }
  options.norm = Norm::l2;  // a length: above 1 is nothing unusual
  EXPECT_NO_THROW(checkAttackOptions(options));
}

}  // namespace
}  // namespace rdi::train
