// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/train_options.hpp"

#include <algorithm>
#include <cmath>

#include "graph/error.hpp"
#include "graph/exit_rule.hpp"

namespace rdi::train {

namespace {

constexpr double kPi = 3.14159265358979323846;

void expect(bool fits, const char* option, const std::string& found, const char* expected) {
  if (!fits) throw Error(text("--", option, ": found ", found, ", expected ", expected));
}

// Every field with the name it has in JSON; reading and writing go through this one list.
template <typename Options, typename Visit>
void visitAttack(Options& o, const Visit& visit) {
  visit("epsilon", o.epsilon);
  visit("step_size", o.stepSize);
  visit("steps", o.steps);
  visit("random_start", o.randomStart);
  visit("start_scale", o.startScale);
  visit("project", o.project);
  visit("restarts", o.restarts);
}

template <typename Options, typename Visit>
void visitTraining(Options& o, const Visit& visit) {
  visit("architecture", o.architecture);
  visit("init", o.init);
  visit("freeze_backbone", o.freezeBackbone);
  visit("data", o.data);
  visit("held_out", o.heldOut);
  visit("held_out_seed", o.heldOutSeed);
  visit("defence", o.defence);
  visit("epsilon_warmup_iterations", o.epsilonWarmupIterations);
  visit("loss", o.loss);
  visit("clean_weight", o.cleanWeight);
  visit("trades_beta", o.tradesBeta);
  visit("exit_weights", o.exitWeights);
  visit("label_smoothing", o.labelSmoothing);
  visit("teacher", o.teacher);
  visit("teacher_share", o.teacherShare);
  visit("self_distillation", o.selfDistillation);
  visit("weight_perturbation", o.weightPerturbation);
  visit("criterion", o.criterion);
  visit("fusion", o.fusion);
  visit("patience", o.patience);
  visit("exit_shares", o.exitShares);
  visit("thresholds_every", o.thresholdsEvery);
  visit("shift", o.shift);
  visit("flip", o.flip);
  visit("crop", o.crop);
  visit("crop_share", o.cropShare);
  visit("iterations", o.iterations);
  visit("epochs", o.epochs);
  visit("batch_size", o.batchSize);
  visit("optimizer", o.optimizer);
  visit("learning_rate", o.learningRate);
  visit("momentum", o.momentum);
  visit("weight_decay", o.weightDecay);
  visit("schedule", o.schedule);
  visit("milestones", o.milestones);
  visit("warmup_share", o.warmupShare);
  visit("ema", o.ema);
  visit("seed", o.seed);
  visit("threads", o.threads);
  visit("device", o.device);
  visit("precision", o.precision);
  visit("channels_last", o.channelsLast);
  visit("log_every", o.logEvery);
  visit("checkpoint_every", o.checkpointEvery);
  visit("validate_every", o.validateEvery);
  visit("validate_images", o.validateImages);
  visit("validate_steps", o.validateSteps);
  visit("collapse_drop", o.collapseDrop);
}

}  // namespace

void checkTrainOptions(const TrainOptions& o) {
  if (o.architecture.empty() == o.init.empty())
    throw Error("give either --arch (a new net) or --init (a model file to start from)");
  if (o.data.empty()) throw Error("give --data, e.g. --data mnist:FOLDER");
  if ((o.iterations > 0) == (o.epochs > 0))
    throw Error("give the length of the training either as --iterations or as --epochs, above 0");
  expect(o.iterations >= 0, "iterations", text(o.iterations), "1 or more");
  expect(std::isfinite(o.epochs) && o.epochs >= 0, "epochs", text(o.epochs), "a number above 0");
  expect(o.heldOut >= 0, "held-out", text(o.heldOut), "0 or more images");
  expect(o.batchSize >= 1, "batch-size", text(o.batchSize), "1 or more");
  expect(o.optimizer == "sgd", "optimizer", o.optimizer, "sgd");
  expect(std::isfinite(o.learningRate) && o.learningRate > 0, "learning-rate", text(o.learningRate),
         "above 0");
  expect(o.momentum >= 0 && o.momentum < 1, "momentum", text(o.momentum), "0 to below 1");
  expect(std::isfinite(o.weightDecay) && o.weightDecay >= 0, "weight-decay", text(o.weightDecay),
         "0 or more");
  expect(o.schedule == "step" || o.schedule == "cosine" || o.schedule == "one-cycle", "schedule", o.schedule,
         "step, cosine or one-cycle");
  expect(o.warmupShare >= 0 && o.warmupShare < 1, "warmup-share", text(o.warmupShare), "0 to below 1");
  expect(o.ema >= 0 && o.ema < 1, "ema", text(o.ema), "0 to below 1");
  expect(o.cleanWeight >= 0 && o.cleanWeight <= 1, "clean-weight", text(o.cleanWeight), "0 to 1");
  expect(o.labelSmoothing >= 0 && o.labelSmoothing < 1, "label-smoothing", text(o.labelSmoothing),
         "0 to below 1");
  expect(o.teacherShare >= 0 && o.teacherShare <= 1, "teacher-share", text(o.teacherShare), "0 to 1");
  expect(o.selfDistillation >= 0 && o.selfDistillation <= 1, "self-distillation", text(o.selfDistillation),
         "0 to 1");
  expect(o.epsilonWarmupIterations >= 0, "epsilon-warmup-iterations", text(o.epsilonWarmupIterations),
         "0 or more");
  expect(o.loss == "cross-entropy" || o.loss == "trades", "loss", o.loss, "cross-entropy or trades");
  expect(std::isfinite(o.tradesBeta) && o.tradesBeta > 0, "trades-beta", text(o.tradesBeta), "above 0");
  if (o.loss == "trades" && o.defence == "standard")
    throw Error("--loss trades compares clean with attacked images, and --defence standard attacks none");
  expect(std::isfinite(o.weightPerturbation) && o.weightPerturbation >= 0 && o.weightPerturbation < 1,
         "weight-perturbation", text(o.weightPerturbation), "0 to below 1, e.g. 0.005");
  graph::criterionFromName(o.criterion);
  graph::fusionFromName(o.fusion);
  expect(o.patience >= 1, "patience", text(o.patience), "1 or more exits");
  double shares = 0;
  for (double share : o.exitShares) {
    expect(std::isfinite(share) && share >= 0, "exit-shares", text(share), "numbers from 0");
    shares += share;
  }
  expect(o.exitShares.empty() || shares > 0, "exit-shares", "nothing but 0", "a share above 0");
  expect(o.thresholdsEvery >= 1, "thresholds-every", text(o.thresholdsEvery), "1 or more iterations");
  expect(o.shift >= 0 && o.shift <= 64, "shift", text(o.shift), "0 to 64 pixels");
  expect(o.crop >= 0, "crop", text(o.crop), "a number of pixels, or 0 for whole images");
  expect(o.cropShare >= 0 && o.cropShare <= 1, "crop-share", text(o.cropShare), "0 to 1");
  expect(o.threads >= 0, "threads", text(o.threads), "0 (all cores) or more");
  expect(o.precision == "float32" || o.precision == "bf16", "precision", o.precision, "float32 or bf16");
  expect(o.logEvery >= 1, "log-every", text(o.logEvery), "1 or more iterations");
  expect(o.checkpointEvery >= 1, "checkpoint-every", text(o.checkpointEvery), "1 or more iterations");
  expect(o.validateEvery >= 0, "validate-every", text(o.validateEvery), "0 or more iterations");
  expect(o.validateImages >= 0, "validate-images", text(o.validateImages), "0 or more images");
  expect(o.collapseDrop >= 0 && o.collapseDrop < 1, "collapse-drop", text(o.collapseDrop), "0 to below 1");
  expect(o.validateSteps >= 1, "validate-steps", text(o.validateSteps), "1 or more");
  for (double weight : o.exitWeights)
    expect(std::isfinite(weight) && weight >= 0, "exit-weights", text(weight), "numbers from 0");
  checkAttackOptions(o.attack);
}

nlohmann::json toJson(const TrainOptions& options) {
  nlohmann::json json, attack;
  visitTraining(options, [&](const char* name, const auto& value) { json[name] = value; });
  visitAttack(options.attack, [&](const char* name, const auto& value) { attack[name] = value; });
  attack["mode"] = nameOf(options.attack.mode);
  json["attack"] = attack;
  return json;
}

TrainOptions trainOptionsFromJson(const nlohmann::json& json) {
  try {
    TrainOptions options;
    const nlohmann::json& attack = json.at("attack");
    nlohmann::json all = json;
    // Checkpoints from before there were these.
    const nlohmann::json before = {{"held_out_seed", 0},   {"crop", 0},
                                   {"crop_share", 0.0},    {"teacher", ""},
                                   {"teacher_share", 0.0}, {"self_distillation", 0.0}};
    for (const auto& [name, value] : before.items())
      if (!all.contains(name)) all[name] = value;
    visitTraining(options, [&](const char* name, auto& value) { all.at(name).get_to(value); });
    visitAttack(options.attack, [&](const char* name, auto& value) { attack.at(name).get_to(value); });
    options.attack.mode = attackModeFromName(attack.at("mode").get<std::string>());
    return options;
  } catch (const nlohmann::json::exception& error) {
    throw Error(text("training recipe: ", error.what()));
  }
}

std::optional<HeldOut> heldOutOf(const nlohmann::json& recipe, const std::string& dataName) {
  if (!recipe.is_object() || !recipe.contains("held_out") || !recipe["held_out"].is_number_integer())
    return {};
  if (recipe.contains("data") && recipe["data"] != dataName) return {};
  const nlohmann::json seed = recipe.value("held_out_seed", nlohmann::json(0U));
  if (!seed.is_number_integer() || seed < 0) return {};
  return HeldOut{recipe["held_out"].get<int64_t>(), seed.get<uint64_t>()};
}

void checkStillHeldOut(const HeldOut& asked, const HeldOut& recorded, const std::string& modelFile) {
  if (asked.count == 0) return;
  if (asked.count > recorded.count)
    throw Error(text("--held-out: found ", asked.count, " images, expected at most ",
                     std::max<int64_t>(recorded.count, 0), ": ", modelFile,
                     " was trained on the other images"));
  if (asked.seed != recorded.seed)
    throw Error(text("--held-out-seed: found ", asked.seed, ", expected ", recorded.seed, ": ", modelFile,
                     " was trained on images that this would hold out"));
}

AttackOptions validationAttack(const TrainOptions& o) {
  AttackOptions attack = o.attack;
  attack.mode = AttackMode::eval;
  attack.project = true;
  attack.startScale = 1;
  if (attack.steps < o.validateSteps) {
    attack.steps = o.validateSteps;
    attack.stepSize = 2.5 * attack.epsilon / attack.steps;
  }
  return attack;
}

double learningRateAt(const TrainOptions& o, int64_t iteration, int64_t iterations) {
  const double progress =
      static_cast<double>(iteration) / static_cast<double>(std::max<int64_t>(iterations, 1));
  if (o.schedule == "cosine") return o.learningRate * 0.5 * (1 + std::cos(kPi * progress));
  if (o.schedule == "one-cycle") {
    const double at =
        static_cast<double>(iteration + 1) / static_cast<double>(std::max<int64_t>(iterations, 1));
    if (at <= o.warmupShare) return o.learningRate * at / o.warmupShare;
    return o.learningRate * std::max(0.0, 1 - (progress - o.warmupShare) / (1 - o.warmupShare));
  }
  std::vector<int64_t> milestones = o.milestones;
  if (milestones.empty()) milestones = {iterations * 90 / 100, iterations * 98 / 100};
  double rate = o.learningRate;
  for (int64_t milestone : milestones)
    if (iteration >= milestone) rate *= 0.1;
  return rate;
}

}  // namespace rdi::train
