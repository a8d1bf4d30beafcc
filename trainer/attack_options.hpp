// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstddef>
#include <string>

namespace rdi::train {

/// How BatchNormalization and Dropout behave while an attack looks for its image.
enum class AttackMode {
  eval,   // running statistics, no dropout: the net that is deployed
  batch,  // statistics of the batch, running ones untouched, no dropout
  train,  // as in training, running statistics move and dropout drops: what the paper's code does
};

/// One gradient attack in the l-infinity ball; FGSM is one step of the radius, PGD many small ones.
struct AttackOptions {
  double epsilon = 0.3;     // radius, in [0,1] pixel units
  double stepSize = 0.01;   // in [0,1] pixel units
  int steps = 40;           // gradients taken
  bool randomStart = true;  // start uniformly in startScale times the ball, else at the image
  double startScale = 1.0;  // N-FGSM starts in twice the ball
  bool project = true;      // back into the ball after each step; N-FGSM does not
  int restarts = 1;         // runs, of which each image keeps the one with the largest loss
  AttackMode mode = AttackMode::eval;
};

/// Throws rdi::Error for a value that makes no sense, naming it.
void checkAttackOptions(const AttackOptions& options);

/// Which exits' losses an attack climbs.
struct AttackForm {
  enum class Kind {
    single,      // one exit's
    average,     // the mean over all exits
    own,         // each image its own, randomly drawn exit
    maxAverage,  // per image the strongest, over all exits, of all single attacks (paper Eq. 4)
  } kind = Kind::average;
  size_t exit = 0;  // for single: 0-based, the last is the main exit

  /// single:1 .. single:K, main, average, own, max-average.
  std::string name(size_t exitCount) const;
};

/// From such a name. Throws rdi::Error with the known names for another.
AttackForm attackFormFromName(const std::string& name, size_t exitCount);

AttackMode attackModeFromName(const std::string& name);  // eval, batch, train
std::string nameOf(AttackMode mode);

}  // namespace rdi::train
