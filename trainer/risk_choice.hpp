// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include "trainer/calibration.hpp"

namespace rdi::train {

/// Rules of one kind along one scalar: at 1 the thresholds given; below 1 each exit lets only that part of
/// its images go, the surest of them; above 1 so many times more, up to all. A larger scalar lowers no
/// threshold; at 0 everybody goes to the main exit.
class ShareFamily {
public:
  /// Shares are counted on all these images, at every exit.
  ShareFamily(const Decisions& decisions, const std::vector<float>& thresholds);

  std::vector<float> at(double part) const;

private:
  std::vector<float> thresholds_;
  std::vector<std::vector<float>> values_;  // an exit: its uncertainties, sorted
};

/// A rule and what was proven about it.
struct ProvenChoice {
  Choice choice;        // points are those of the images that rules were chosen on
  int64_t images = 0;   // of the proof
  int64_t lost = 0;     // of them: right in the static net and wrong under the rule
  int64_t allowed = 0;  // losses that still prove it
  double part = 0;      // of the shares that the choosing images would give, see ShareFamily
};

/// Throws rdi::Error, with the number that is needed, when so many images can prove nothing.
void checkEnoughToProve(const Demand& demand, int64_t provingImages);

/// Learn then Test (see conformal.hpp). On `choosing` the rule is taken that costs least of those that lose
/// as rarely as the proof will ask for; it gives a ShareFamily. On `proving`, images that
/// had no part in that, the family is tested from part 0 upwards until a member fails, and the last that
/// passed is the choice. With probability `confidence` over the draw of the proving images it loses at most a
/// share `maxRisk` of all images of the same kind by exiting early: those that the static net gets right and
/// the rule wrong. Throws rdi::Error when there are too few images, and when not even part 0 passes.
ProvenChoice chooseWithProof(const Demand& demand, const std::vector<graph::ExitRule>& rules,
                             const ScoreTable& choosing, const ScoreTable& proving,
                             const std::vector<graph::ExitCost>& costs);

}  // namespace rdi::train
