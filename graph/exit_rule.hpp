// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdi::graph {

/// How unsure the class probabilities p are; an exit is taken when this is below its threshold. Smaller is
/// surer for every criterion, so a threshold of +infinity always leaves, whatever the patience (unless the
/// scores are NaN), and -infinity never does.
enum class Criterion {
  entropy,         // H = - sum_c p_c ln(p_c + 1e-5); 0 .. ln(classes)   (paper Eq. 6 with the code's epsilon)
  maxProbability,  // 1 - max p; 0 .. 1
  margin,          // 1 - (largest p - second largest p); 0 .. 1
};

/// What exit k answers with.
enum class Fusion {
  last,  // its own scores, as in the paper
  mean,  // the mean of the class probabilities of exits 1 .. k
};

/// What the classifiers give out.
enum class Scores { logits, probabilities };

/// The whole rule by which an input leaves; everything an attacker is assumed to know.
struct ExitRule {
  Criterion criterion = Criterion::entropy;
  Fusion fusion = Fusion::last;
  int patience = 1;                // exits in a row that must agree on the class; 1 = no agreement asked
  Scores scores = Scores::logits;  // kind of the exits' outputs
  std::vector<float> thresholds;   // one for every exit but the main one; smaller is stricter
};

Criterion criterionFromName(const std::string& name);  // entropy, max_probability, margin
Fusion fusionFromName(const std::string& name);        // last, mean
Scores scoresFromName(const std::string& name);        // logits, probabilities
std::string nameOf(Criterion criterion);
std::string nameOf(Fusion fusion);
std::string nameOf(Scores scores);

/// The rule by which every input goes on to the last exit: the static net.
ExitRule mainExitOnly(size_t exitCount);

/// Throws rdi::Error when a threshold is NaN, their number is not exitCount - 1, or patience is below 1.
void checkRule(const ExitRule& rule, size_t exitCount);

/// dst = softmax(src) (Scores::logits) or src (Scores::probabilities); both hold classCount values.
void toProbabilities(const float* src, int classCount, Scores scores, float* dst);

/// Uncertainty of probabilities; NaN when any of them is NaN.
float uncertainty(const float* probabilities, int classCount, Criterion criterion);

/// Index of the largest value; the first of equals.
int argmax(const float* values, int classCount);

/// Scores of exit k (0-based) after fusion, in the kind of `scores`: scores[k] itself (last), the mean of the
/// probabilities of scores[0..k] (mean, probabilities) or its logarithm (mean, logits: softmax gives the mean
/// back). `dst` holds classCount values and must not overlap the sources.
void fuseScores(const float* const* scores, int k, int classCount, Fusion fusion, Scores kind, float* dst);

/// Class probabilities that the rule judges at exit k (0-based): those of scores[k] (last) or the mean of
/// those of scores[0..k] (mean). `dst` and `scratch` hold classCount values.
void fusedProbabilities(const float* const* scores, int k, int classCount, Fusion fusion, Scores kind,
                        float* dst, float* scratch);

/// True when an input leaves at exit k (0-based): the fused scores' uncertainty is below `threshold` (NaN
/// never is) and the last `patience` exits answer the same class. `scratch` holds 2 * classCount values.
bool leavesAt(const float* const* scores, int k, int classCount, const ExitRule& rule, float threshold,
              float* scratch);

/// Index (0-based) of the exit that one input takes; scores[0 .. exitCount-1] point to its class scores. The
/// last exit takes whatever is left.
int exitTaken(const float* const* scores, int exitCount, int classCount, const ExitRule& rule);

}  // namespace rdi::graph
