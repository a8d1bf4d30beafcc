// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "graph/cost.hpp"
#include "graph/exit_rule.hpp"
#include "trainer/score_table.hpp"

namespace rdi::train {

/// What a row of an evaluation is for: which figures and plots it enters.
enum class Family {
  clean,     // nothing was attacked
  paper,     // PGD in the paper's K+3 forms; their minimum is the `paper` worst case
  simple,    // random weights, FGSM, WRM: reported beside
  adaptive,  // gradient attacks that know the exit rule, or are stronger than the paper's
  blackBox,  // no gradients
  slowdown,  // climbs the cost, not the error
};
std::string nameOf(Family family);  // clean, paper, simple, adaptive, black-box, slowdown
Family familyFromName(const std::string& name);

/// The images as they are, or under one attack.
struct EvaluationRow {
  std::string name;  // unique in an evaluation: "clean", "pgd single:1", "apgd-ce soft-routed"
  Family family = Family::clean;
  nlohmann::json settings;     // of the attack: method, form, surrogate, norm, epsilon, steps, ...
  bool inBall = true;          // every image lies in the ball of the evaluation: it counts for the union
  bool onlySurvivors = false;  // tried on images that no row before had broken; the others count as wrong
  int64_t attacked = 0;        // images it was tried on
  double seconds = 0;          // spent on it
  RuleOutcome outcome;         // under the rule of the evaluation
};

/// One test image under some of the rows, for people to look at.
struct PictureSample {
  struct View {
    std::string row;              // name of the row
    std::vector<uint8_t> pixels;  // channels x height x width, 0..255
    int exit = 0, answer = 0;     // exit taken and class answered, 0-based
  };
  int64_t image = 0;  // index in the set
  int label = 0;
  int64_t channels = 0, height = 0, width = 0;
  std::vector<View> views;  // the first is clean
};

/// All that rdi-evaluate found out about one model on one set of images.
struct Evaluation {
  std::string model;    // its file
  std::string command;  // that measured all this, so that it can be done again; may be empty
  std::string data, set;
  std::vector<std::string> classNames;
  int64_t imageCount = 0;
  uint64_t seed = 0;
  graph::ExitRule rule;
  std::vector<graph::ExitCost> costs;  // one an exit; a single-exit model has one
  std::vector<EvaluationRow> rows;     // the first is clean
  std::vector<PictureSample> pictures;

  /// Index of the row of this family with the lowest accuracy; 0 (clean) when there is none.
  size_t worst(Family family) const;
  /// Share of the images that are right in every row that lies in the ball, the clean one too.
  double unionAccuracy() const;
};

/// Efficacy (DeepSloth): the area under the share of images that have left, over the fraction of the full
/// pass's paid cost; 1 = everything leaves at once for nothing, 0 = nothing leaves before the end.
double efficacy(const std::vector<graph::ExitCost>& costs, const std::vector<double>& shares);

}  // namespace rdi::train
