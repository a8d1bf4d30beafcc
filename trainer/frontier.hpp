// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "graph/exit_rule.hpp"
#include "trainer/evaluation.hpp"
#include "trainer/plot.hpp"

namespace rdi::train {

/// One model run by one rule. Shares 0..1.
struct FrontierPoint {
  std::string name;  // "shipped", "static net", an operating point's name; empty for one of a sweep
  graph::ExitRule rule;
  double paidMmac = 0;       // average paid cost of a clean image, in millions of multiply-accumulates
  double clean = 0;          // accuracy
  double unionAccuracy = 0;  // share right clean and under every attack in the ball, each made for this rule
  std::string
      worstAttack;  // of those on all images the one that leaves the fewest right; empty without attacks
  double slowdownMmac = std::numeric_limits<double>::quiet_NaN();  // paid under the dearest slowdown attack
  std::vector<double> exitShares;                                  // of the clean images
};

struct FrontierModel {
  std::string file;
  size_t exitCount = 0;
  double staticMmac = 0;  // of its main exit alone
  std::vector<FrontierPoint> points;
};

/// What several models reach by several rules on the same images.
struct Frontier {
  std::string command, data, set;
  int64_t imageCount = 0;
  uint64_t seed = 0;
  std::string reference;     // the model whose static net costs 100 %
  double referenceMmac = 0;  // more than 0
  std::vector<FrontierModel> models;
};

/// The figures of an evaluation that was made for the point's rule.
FrontierPoint pointOf(const std::string& name, const Evaluation& evaluation);

/// Whether no point of any model costs less and is right at least as often in the union, or costs as much and
/// is right more often.
bool isEfficient(const Frontier& frontier, const FrontierPoint& point);

/// For reading, a line a point, cheapest first.
std::string toTable(const Frontier& frontier);

/// For programs; see docs/evaluation.md.
nlohmann::json toJson(const Frontier& frontier);

/// Two plots, the union above the clean accuracy, both against paid cost in % of the reference: a curve for
/// each model and kind of rule, labels at points with a name.
std::vector<LinePlot> frontierPlots(const Frontier& frontier);

}  // namespace rdi::train
