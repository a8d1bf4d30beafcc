// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

#include "graph/error.hpp"
#include "trainer/command_line.hpp"
#include "trainer/data.hpp"
#include "trainer/number_format.hpp"
#include "trainer/program_version.hpp"
#include "trainer/progress_line.hpp"
#include "trainer/run_folder.hpp"
#include "trainer/training.hpp"
#include "trainer/training_curves.hpp"
#include "trainer/worker_group.hpp"

namespace {

using rdi::text;
using namespace rdi::train;

struct Arguments {
  TrainOptions options;
  std::string output, resume;
  std::string attackMode = "eval";
  int workerPatience = 40;
};

void declare(CLI::App& app, Arguments& a) {
  TrainOptions& o = a.options;
  addRecipeOption(app);
  // Not part of a recipe.
  app.add_option("-o,--output", a.output, "Run folder to create")->configurable(false);
  app.add_option("--resume", a.resume, "Go on with the training in this run folder")->configurable(false);
  app.add_option("--arch", o.architecture, "Architecture of the zoo, e.g. rdi-smallcnn");
  app.add_option("--init", o.init, "Multi-exit ONNX file to start from")->excludes("--arch");
  app.add_flag("--freeze-backbone", o.freezeBackbone,
               "Train only the branch classifiers: what the last exit needs stays as it is");
  app.add_option("--data", o.data, knownData());
  app.add_option("--held-out", o.heldOut, "Images of the training set that are never trained on")
      ->capture_default_str();
  app.add_option("--held-out-seed", o.heldOutSeed, "Draws them; 0 = the last ones")->capture_default_str();
  app.add_option("--defence", o.defence,
                 "standard, or the attacks trained on: main, average, own (each image one drawn exit), each "
                 "(every exit its own attack), max-average, single:K, routed, soft-routed, ...; several with "
                 "weights: own=0.7,soft-routed=0.3")
      ->capture_default_str();
  addAttackOptions(app, o.attack, "--attack-steps");
  app.add_option("--attack-mode", a.attackMode,
                 "Net during the attack: eval, batch (batch statistics) or train")
      ->capture_default_str();
  app.add_option("--epsilon-warmup-iterations", o.epsilonWarmupIterations, "Let the radius grow over so many")
      ->capture_default_str();
  app.add_option("--clean-weight", o.cleanWeight,
                 "c in loss = sum_i w_i (c CE(clean_i) + (1-c) CE(attacked_i))")
      ->capture_default_str();
  app.add_option("--exit-weights", o.exitWeights, "w_i, one an exit, e.g. 1,1,1")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--loss", o.loss, "cross-entropy or trades")->capture_default_str();
  app.add_option("--trades-beta", o.tradesBeta,
                 "trades: beta in loss = sum_i w_i (CE(clean_i) + beta KL(clean_i || attacked_i))")
      ->capture_default_str();
  app.add_option("--weight-perturbation", o.weightPerturbation,
                 "gamma of adversarial weight perturbation (AWP), e.g. 0.005; 0 = none")
      ->capture_default_str();
  app.add_option("--criterion", o.criterion,
                 "Of the rule that routed attacks follow: entropy, max_probability or margin")
      ->capture_default_str();
  app.add_option("--fusion", o.fusion, "Likewise: last or mean")->capture_default_str();
  app.add_option("--patience", o.patience, "Likewise: exits in a row that must agree")->capture_default_str();
  app.add_option("--exit-shares", o.exitShares,
                 "Likewise: shares of the images that leave at each exit, e.g. 3,3,4; equal when not given")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--thresholds-every", o.thresholdsEvery,
                 "Likewise: iterations between estimates of its thresholds")
      ->capture_default_str();
  app.add_option("--shift", o.shift, "Move each image by up to so many pixels, anew each time")
      ->capture_default_str();
  app.add_flag("--flip", o.flip, "Mirror half of the images, anew each time");
  app.add_option("--crop", o.crop,
                 "Learn from a random square of so many pixels of each image at first: cheaper by the pixel "
                 "(0: whole images)");
  app.add_option("--crop-share", o.cropShare, "How much of the training sees squares, before whole images")
      ->capture_default_str();
  app.add_option("--label-smoothing", o.labelSmoothing, "Share of the label spread over all classes")
      ->capture_default_str();
  app.add_option("--teacher", o.teacher,
                 "ONNX file of a net whose answers to clean images are learned from, clean and attacked");
  app.add_option("--teacher-share", o.teacherShare, "Share of the label that the teacher gives")
      ->capture_default_str();
  app.add_option("--self-distillation", o.selfDistillation,
                 "Share of the earlier exits' label that the main exit's answer to the same image gives")
      ->capture_default_str();
  app.add_option("--iterations", o.iterations, "Length of the training in batches");
  app.add_option("--epochs", o.epochs, "Length of the training in passes over the data")
      ->excludes("--iterations");
  app.add_option("--batch-size", o.batchSize, "Images a step")->capture_default_str();
  app.add_option("--optimizer", o.optimizer, "sgd")->capture_default_str();
  app.add_option("--learning-rate", o.learningRate, "Highest learning rate")->capture_default_str();
  app.add_option("--momentum", o.momentum, "Momentum")->capture_default_str();
  app.add_option("--weight-decay", o.weightDecay, "Weight decay, on all parameters")->capture_default_str();
  app.add_option("--schedule", o.schedule, "Learning rate over time: step, cosine or one-cycle")
      ->capture_default_str();
  app.add_option("--milestones", o.milestones, "step: iterations where the rate falls to a tenth")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--warmup-share", o.warmupShare, "one-cycle: share of the training in which the rate rises")
      ->capture_default_str();
  app.add_option("--ema", o.ema, "Decay of averaged weights, which are then what is kept; 0 = none")
      ->capture_default_str();
  app.add_option("--seed", o.seed, "Seed of everything random")->capture_default_str();
  app.add_option("--threads", o.threads, "CPU threads; 0 = all cores")->capture_default_str();
  app.add_option("--device", o.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option(
         "--worker-timeout", a.workerPatience,
         "Where several processes train together (WORLD_SIZE): seconds after which one that is not heard "
         "of is given up")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_option("--precision", o.precision, "float32 or bf16 (autocast)")->capture_default_str();
  app.add_flag("--channels-last", o.channelsLast, "Keep features as NHWC");
  app.add_option("--log-every", o.logEvery, "Iterations a line of metrics.jsonl")->capture_default_str();
  app.add_option("--checkpoint-every", o.checkpointEvery, "Iterations between checkpoints")
      ->capture_default_str();
  app.add_option("--validate-every", o.validateEvery,
                 "Iterations between looks at held-out images; 0 = at the end")
      ->capture_default_str();
  app.add_option("--validate-images", o.validateImages, "Held-out images looked at")->capture_default_str();
  app.add_option(
         "--collapse-drop", o.collapseDrop,
         "Go back to the last good state, and attack with more steps, when so much of the best robust "
         "accuracy on held-out images is lost; 0 = never")
      ->capture_default_str();
  app.add_option("--validate-steps", o.validateSteps,
                 "PGD steps they are attacked with, if training has fewer")
      ->capture_default_str();
}

// Everything as it is now, the defaults too: another version may have others.
std::string recipeOf(const CLI::App& app, const std::string& command) {
  std::istringstream options(app.config_to_str(/*default_also=*/true));
  std::string recipe = "; " + command + '\n';
  const std::string nothing = "=\"\"";  // an option that was not given and has no default
  for (std::string line; std::getline(options, line);)
    if (line.size() < nothing.size() ||
        line.compare(line.size() - nothing.size(), nothing.size(), nothing) != 0)
      recipe += line + '\n';
  return recipe;
}

std::string joined(const std::vector<double>& shares) {
  std::string result;
  for (double share : shares) result += (result.empty() ? "" : " ") + percent(share);
  return result;
}

std::string describe(const TrainProgress& p) {
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, "loss %.4f", p.loss);
  std::string line = text("iteration ", p.iteration, "/", p.iterations, "  ", numbers);
  if (!p.cleanAccuracy.empty()) line += "  clean " + percent(p.cleanAccuracy.back()) + " %";
  if (!p.robustAccuracy.empty()) line += "  robust " + percent(p.robustAccuracy.back()) + " %";
  std::snprintf(numbers, sizeof numbers, "  %.0f images/s  ", p.imagesPerSecond);
  return line + numbers + clockTime(p.secondsLeft) + " left";
}

// Curves of the run so far, not too often. What goes wrong here must not end a training.
class Curves {
public:
  Curves(const std::string& folder, ProgressLine& line) : folder_(folder), line_(line) {}

  void draw(bool now) {
    if (failed_ || (!now && Clock::now() - last_ < kBetween)) return;
    try {
      drawTrainingCurves(folder_);
    } catch (const rdi::Error& error) {
      failed_ = true;
      line_.finish();
      std::fprintf(stderr, "rdi-train: no curves are drawn: %s\n", error.what());
    }
    last_ = Clock::now();
  }

private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kBetween{60};

  RunFolder folder_;
  ProgressLine& line_;
  bool failed_ = false;
  Clock::time_point last_ = Clock::now();
};

int train(const CLI::App& app, Arguments& a, const std::string& command) {
  ProgressLine line;
  const std::string folder = a.resume.empty() ? a.output : a.resume;
  Curves curves(folder, line);
  RunOrigin origin;
  origin.version = programVersion();
  origin.revision = programRevision();
  origin.command = command;
  origin.recipe = recipeOf(app, command);
  TrainHooks hooks;
  hooks.progress = [&](const TrainProgress& progress) {
    line.show(describe(progress), progress.iteration == progress.iterations);
  };
  hooks.validation = [&](const Validation& v) {
    line.finish();
    const std::string attacked = v.attacked.empty() ? "" : ", attacked " + joined(v.attacked);
    std::fprintf(stderr, "held out (%ld images), accuracy of each exit in %%: clean %s%s%s\n",
                 static_cast<long>(v.images), joined(v.clean).c_str(), attacked.c_str(),
                 v.isBest ? "; the best so far" : "");
  };
  hooks.saved = [&] { curves.draw(false); };
  hooks.notice = [&](const std::string& notice) {
    line.finish();
    std::fprintf(stderr, "rdi-train: %s\n", notice.c_str());
  };
  hooks.stopRequested = stopRequested;
  hooks.loading = loadingOn(line);
  catchStopSignals();

  TrainOutcome outcome;
  MachineOptions machine;
  if (app.count("--threads") > 0) machine.threads = a.options.threads;
  if (app.count("--device") > 0) machine.device = a.options.device;
  if (app.count("--data") > 0) machine.data = a.options.data;
  const WorkerPlace place = workerPlace(std::getenv);
  std::unique_ptr<WorkerGroup> group;
  if (place.size > 1) {
    std::fprintf(stderr, "rdi-train: rank %d of %d meets the others at %s:%d\n", place.rank, place.size,
                 place.address.c_str(), place.port);
    group = joinWorkers(place, std::chrono::seconds(a.workerPatience));
  }
  if (place.rank > 0) {
    outcome = joinTraining(*group, machine, hooks);
    line.finish();
    std::fprintf(stderr, "rdi-train: rank %d of %d is done; rank 0 has the files\n", place.rank, place.size);
    return outcome == TrainOutcome::stopped ? kStoppedExitCode : 0;
  }
  a.options.attack.mode = attackModeFromName(a.attackMode);
  outcome = a.resume.empty() ? startTraining(a.options, a.output, hooks, origin, group.get())
                             : resumeTraining(a.resume, machine, hooks, origin, group.get());
  line.finish();
  curves.draw(true);
  if (outcome == TrainOutcome::stopped) {
    std::fprintf(stderr, "rdi-train: stopped and saved; go on with: rdi-train --resume %s\n", folder.c_str());
    return kStoppedExitCode;
  }
  std::printf("%s/model.onnx\n", folder.c_str());
  return 0;
}

// Options that only mean something beside another: given without it, somebody expects what will not happen.
void checkContradictions(const CLI::App& app, const TrainOptions& o) {
  const auto isGiven = [&](const char* option) { return app.count(option) > 0; };
  const auto refuse = [&](const char* option, const std::string& why) {
    if (isGiven(option)) throw CLI::ValidationError(option, why);
  };

  if (o.schedule != "step")
    refuse("--milestones", "only --schedule step has them, found --schedule " + o.schedule);
  if (o.schedule != "one-cycle" && o.warmupShare != TrainOptions().warmupShare)
    refuse("--warmup-share", "only --schedule one-cycle has it, found --schedule " + o.schedule);
  if (!o.architecture.empty() && o.freezeBackbone)
    refuse("--freeze-backbone",
           "a new net (--arch) has nothing worth keeping; start from a file with --init");
}

// --resume takes everything from its folder but what belongs to the machine.
void checkUsage(const CLI::App& app, const Arguments& a) {
  if (a.resume.empty()) {
    if (a.output.empty()) throw CLI::RequiredError("--output RUN_FOLDER, or --resume RUN_FOLDER,");
    return checkContradictions(app, a.options);
  }
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    const bool isOfMachine =
        name == "--threads" || name == "--device" || name == "--data" || name == "--worker-timeout";
    if (option->count() > 0 && name != "--resume" && !isOfMachine) throw CLI::ExcludesError("--resume", name);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains a multi-exit classifier against attacks on its exits, into RUN_FOLDER/model.onnx.",
               "rdi-train");
  Arguments arguments;
  declare(app, arguments);
  app.callback([&] { checkUsage(app, arguments); });
  return runProgram(app, "rdi-train", argc, argv,
                    [&] { return train(app, arguments, commandLine(argc, argv)); });
}
