// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rdi::train {

// Learn then Test (Angelopoulos, Bates, Candes, Jordan, Lei, 2021) for losses that are 0 or 1: the exact
// binomial test, and fixed-sequence testing along an ordered list of choices. That the list is made on other
// images is the idea of Pareto Testing (Laufer-Goldshtein, Fisch, Barzilay, Jaakkola, 2023).

/// Probability that at most `successes` of `trials` succeed, each with `probability` (0..1). Exact but for
/// rounding.
double binomialAtMost(int64_t successes, int64_t trials, double probability);

/// The most losses among so many images that still show, with this confidence (0..1), a risk of at most
/// `maxRisk` (0..1); -1 when not even none does.
int64_t lossesAllowed(int64_t images, double maxRisk, double confidence);

/// The fewest images that can show it: those of which none may be lost.
int64_t imagesNeeded(double maxRisk, double confidence);

/// The choices are tested in their order until one fails. How many passed: with probability `confidence` over
/// the draw of the images, the risk of every one of them is at most `maxRisk`, however many there are and
/// however their risks go up and down. `lost` holds the losses of each choice among `images` that had no part
/// in making or ordering the choices.
size_t provenChoices(const std::vector<int64_t>& lost, int64_t images, double maxRisk, double confidence);

}  // namespace rdi::train
