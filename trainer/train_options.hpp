// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "trainer/attack_options.hpp"

namespace rdi::train {

/// A whole training recipe: what rdi-train is told, what a checkpoint remembers and what the model file
/// states.
struct TrainOptions {
  // What is trained, on what
  std::string architecture;     // a zoo name; empty when `init` is given
  std::string init;             // a multi-exit ONNX file to start from
  bool freezeBackbone = false;  // train only what the last exit does not need
  std::string data;             // e.g. mnist:FOLDER
  int64_t heldOut = 5000;       // images of the training set that are never trained on
  uint64_t heldOutSeed = 1;     // draws them; 0 = the last ones (see trainingPart)
  // Defence
  // standard (clean images alone), the attack form trained on (see AttackForm), `each` (every exit learns
  // from its own attack), or several with weights, of which every batch draws one: own=0.7,soft-routed=0.3
  std::string defence = "own";
  AttackOptions attack;
  int64_t epsilonWarmupIterations = 0;  // radius and step grow linearly from 0 over these
  std::string loss = "cross-entropy";   // or trades
  double cleanWeight = 0.5;             // c in sum_k w_k (c CE(clean_k) + (1 - c) CE(attacked_k))
  double tradesBeta = 6;            // beta in sum_k w_k (CE(clean_k) + beta KL(p_k(clean) || p_k(attacked)))
  std::vector<double> exitWeights;  // w_k; empty = all 1
  double labelSmoothing = 0;        // of the cross-entropy
  std::string teacher;              // an ONNX file whose answers to clean images are learned from
  double teacherShare = 0.5;        // of the label that the teacher gives
  double selfDistillation = 0;      // share of the earlier exits' label that the main exit gives
  double weightPerturbation = 0;    // gamma of adversarial weight perturbation; 0 = none
  // The rule that routed and soft-routed attacks follow: thresholds are estimated again and again
  std::string criterion = "entropy", fusion = "last";
  int patience = 1;
  std::vector<double> exitShares;  // of the images that leave at each exit; empty = equal
  int64_t thresholdsEvery = 100;   // iterations
  // Images
  int64_t shift = 0;       // each image anew: moved by up to so many pixels, and
  bool flip = false;       // mirrored or not
  int64_t crop = 0;        // a square of so many pixels alone is learned from, 0: all,
  double cropShare = 0.7;  // for this share of the training
  // Length and optimiser
  int64_t iterations = 0;  // 0: epochs are given
  double epochs = 0;
  int64_t batchSize = 256;
  std::string optimizer = "sgd";
  double learningRate = 0.033;
  double momentum = 0.9;
  double weightDecay = 5e-4;
  std::string schedule = "step";    // step, cosine, one-cycle
  std::vector<int64_t> milestones;  // step: iterations where the rate falls to a tenth; empty = 90 % and 98 %
  double warmupShare = 0.3;         // one-cycle: share of the iterations in which the rate rises
  double ema = 0;                   // decay of the averaged weights; 0 = none
  // Machine
  uint64_t seed = 1;
  int threads = 0;  // 0 = all cores
  std::string device = "cpu";
  std::string precision = "float32";  // or bf16: autocast
  bool channelsLast = false;
  // Watching
  int64_t logEvery = 100;         // iterations
  int64_t checkpointEvery = 500;  // iterations
  int64_t validateEvery = 0;      // iterations; 0 = only at the end
  int64_t validateImages = 1000;  // of the held-out part; 0 = no validation
  double collapseDrop = 0.5;      // share of the best robust accuracy whose loss is a collapse; 0 = none is
  int validateSteps = 10;         // of PGD on the mean over exits, if training takes no more
};

/// Throws rdi::Error naming the first value that makes no sense. What depends on model and data is checked
/// later.
void checkTrainOptions(const TrainOptions& options);

nlohmann::json toJson(const TrainOptions& options);

/// Throws rdi::Error naming what is missing or of the wrong kind.
TrainOptions trainOptionsFromJson(const nlohmann::json& json);

/// The images of the training set that a model was not trained on, as heldOutPart wants them.
struct HeldOut {
  int64_t count = 0;
  uint64_t seed = 0;
};

/// What the recipe in a model (rdi.recipe) says about it; nothing when it speaks of other data or does not
/// say. Recipes without a seed are from before there was one and held out the last images.
std::optional<HeldOut> heldOutOf(const nlohmann::json& recipe, const std::string& dataName);

/// Throws rdi::Error when images that would be held out are among those that the model was trained on.
void checkStillHeldOut(const HeldOut& asked, const HeldOut& recorded, const std::string& modelFile);

/// The attack that a training is watched by: PGD within the same radius from a start within it, with the
/// steps of the training where they are more.
AttackOptions validationAttack(const TrainOptions& options);

/// Learning rate at an iteration (0-based) of a training of so many.
double learningRateAt(const TrainOptions& options, int64_t iteration, int64_t iterations);

}  // namespace rdi::train
