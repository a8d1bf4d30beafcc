// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace rdi::train {

/// How BatchNormalization and Dropout behave while an attack looks for its image.
enum class AttackMode {
  eval,   // running statistics, no dropout: the net that is deployed
  batch,  // statistics of the batch, running ones untouched, no dropout
  train,  // as in training, running statistics move and dropout drops: what the paper's code does
};

enum class Norm { linf, l2 };

/// What an attack climbs at the answer z of an exit; y is the right class, z_1 >= z_2 >= ... sorted.
enum class Surrogate {
  crossEntropy,
  margin,       // max_{c != y} z_c - z_y                       (Carlini and Wagner)
  dlr,          // (max_{c != y} z_c - z_y) / (z_1 - z_3)       (AutoAttack)
  targetedDlr,  // (z_t - z_y) / (z_1 - (z_3 + z_4) / 2), t aimed at
  divergence,   // KL(p(x) || p(x')), x being the clean image: knows no label         (TRADES)
};

/// How the gradient becomes a step.
enum class StepRule {
  constant,  // stepSize times the gradient's sign (l-infinity) or direction (l2)
  apgd,      // APGD: from twice the radius, with momentum, halved per image when progress stalls
  wrm,       // Wasserstein: the gradient of epsilon * loss - |x' - x|^2 / 2, times 1 / sqrt(t + 2)
  square,    // Square: no gradient, random squares kept when they help; steps = queries
};

/// Which iterate an image keeps.
enum class Keep {
  last,  // of each run; of several runs the best
  best,  // a successful one before others, then the one with the largest loss; stops once successful
};

/// One attack around an image; FGSM is one step of the radius, PGD many small ones.
struct AttackOptions {
  double epsilon = 0.3;     // radius, in [0,1] pixel units (l2: length of the whole perturbation)
  double stepSize = 0.01;   // in the same units; StepRule::constant only
  int steps = 40;           // gradients taken, or queries
  bool randomStart = true;  // start uniformly in startScale times the ball, else at the image
  double startScale = 1.0;  // N-FGSM starts in twice the ball
  bool project = true;      // back into the ball after each step; N-FGSM does not
  int restarts = 1;  // runs, of which each image keeps the best; targetedDlr aims at another class each
  AttackMode mode = AttackMode::eval;
  Norm norm = Norm::linf;
  Surrogate surrogate = Surrogate::crossEntropy;
  StepRule stepRule = StepRule::constant;
  Keep keep = Keep::last;
  double temperature = 0.1;  // of soft routing, in the criterion's unit (entropy: nats)
};

/// Throws rdi::Error for a value that makes no sense, naming it.
void checkAttackOptions(const AttackOptions& options);

/// Which exits' losses an attack climbs, l_k being the surrogate at exit k.
struct AttackForm {
  enum class Kind {
    single,           // l_k of one exit
    average,          // the mean over all exits
    own,              // each image its own, randomly drawn exit
    maxAverage,       // per image the strongest, over all exits, of all single attacks (paper Eq. 4)
    random,           // sum of r_k l_k, r drawn for the batch, sum 1 (paper's Table 6)
    routed,           // l of the exit that the rule takes for the current iterate
    softRouted,       // the expected l, exits left with probability sigmoid((T - H) / temperature)
    slowdownUniform,  // early exits pulled to the uniform distribution (DeepSloth)
    slowdownHinge,    // the sum of min(H - T, 0) over early exits
    slowdownDepth,    // the expected number of the exit taken, soft as softRouted
  } kind = Kind::average;
  size_t exit = 0;  // for single: 0-based, the last is the main exit

  /// single:1 .. single:K, main, average, own, max-average, random, routed, soft-routed, slowdown-uniform,
  /// slowdown-hinge, slowdown-depth.
  std::string name(size_t exitCount) const;

  bool isSlowdown() const;   // climbs the cost, not the error
  bool followsRule() const;  // cannot be computed without an exit rule
};

/// From such a name. Throws rdi::Error with the known names for another.
AttackForm attackFormFromName(const std::string& name, size_t exitCount);

AttackMode attackModeFromName(const std::string& name);  // eval, batch, train
std::string nameOf(AttackMode mode);
Norm normFromName(const std::string& name);  // linf, l2
std::string nameOf(Norm norm);
Surrogate surrogateFromName(const std::string& name);  // ce, margin, dlr, targeted-dlr
std::string nameOf(Surrogate surrogate);

}  // namespace rdi::train
