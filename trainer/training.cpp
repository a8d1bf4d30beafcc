// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/training.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <numeric>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/zoo.hpp"
#include "trainer/augment.hpp"
#include "trainer/batch_order.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/collapse_guard.hpp"
#include "trainer/data.hpp"
#include "trainer/defence.hpp"
#include "trainer/device.hpp"
#include "trainer/device_images.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/number_format.hpp"
#include "trainer/optimizer.hpp"
#include "trainer/run_folder.hpp"
#include "trainer/running_metrics.hpp"
#include "trainer/score_collection.hpp"
#include "trainer/thresholds.hpp"
#include "trainer/torch_compat.hpp"
#include "trainer/trained_model.hpp"
#include "trainer/weight_perturbation.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;
using Clock = std::chrono::steady_clock;

constexpr double kSecondsBetweenProgress = 0.5;
constexpr int64_t kValidationBatch = 500;
constexpr int64_t kThresholdImages = 1000;
constexpr int64_t kGuardImages = 300;
constexpr int kMostRollbacks = 3;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Training {
public:
  // `modelName` goes before errors of the model.
  Training(TrainOptions options, RunFolder folder, onnx::ModelProto model, const std::string& modelName,
           const LoadProgress& loading)
      : options_(std::move(options)),
        folder_(std::move(folder)),
        metricsFile_(folder_.metrics()),
        model_(std::move(model)),
        source_(dataSource(options_.data)),
        device_(useDevice(options_.device, options_.threads)) {
    source_.pictureShape = graph::inputShape(model_);
    const ImageSet images = source_.load(Split::train, loading);
    namingTheModel(modelName, [&] { checkModelFitsData(model_, images, source_); });
    const ImageSet trained = trainingPart(images, options_.heldOut, options_.heldOutSeed);
    if (trained.count < options_.batchSize)
      throw Error(text("--batch-size: found ", options_.batchSize, ", expected at most ", trained.count,
                       ", the images to train on"));
    images_ = std::make_unique<DeviceImages>(trained, device_);
    if (options_.heldOut > 0 && options_.validateImages > 0)
      heldOut_ = std::make_unique<DeviceImages>(heldOutPart(images, options_.heldOut, options_.heldOutSeed),
                                                device_);

    augmentation_.shift = static_cast<int>(options_.shift);
    augmentation_.flip = options_.flip;

    torch::manual_seed(options_.seed);
    GraphModuleOptions moduleOptions;
    moduleOptions.channelsLast = options_.channelsLast;
    moduleOptions.freezeBackbone = options_.freezeBackbone;
    namingTheModel(modelName, [&] {
      moduleOptions.logProbabilities = givesProbabilities(model_);
      module_ = std::make_shared<GraphModule>(model_, moduleOptions);
      if (module_->trainable().empty())
        throw Error(
            "found no weights to train: --freeze-backbone trains exits that have weights of their own, which "
            "rdi-attach adds");
    });
    module_->to(device_);
    const size_t exits = module_->exitCount();
    defence_ = std::make_unique<Defence>(options_, *module_, device_);
    rule_ = graph::mainExitOnly(exits);
    rule_.criterion = graph::criterionFromName(options_.criterion);
    rule_.fusion = graph::fusionFromName(options_.fusion);
    rule_.patience = options_.patience;
    exitShares_ = options_.exitShares;
    if (exitShares_.empty()) exitShares_.assign(exits, 1);
    if (exitShares_.size() != exits)
      throw Error(text("--exit-shares: found ", exitShares_.size(), " values, expected ", exits,
                       ", one for each exit of the model"));
    guard_ = std::make_unique<CollapseGuard>(options_.collapseDrop,
                                             static_cast<int64_t>(source_.classNames.size()));
    if (options_.weightPerturbation > 0)
      perturbation_ = std::make_unique<WeightPerturbation>(module_->trainable(), options_.weightPerturbation);

    std::vector<Tensor> averaged;
    for (const GraphModule::Weight& weight : module_->weights())
      if (weight.moves()) averaged.push_back(weight.value);
    sgd_ = std::make_unique<Sgd>(module_->trainable(), options_.momentum, options_.weightDecay);
    if (options_.ema > 0) average_ = std::make_unique<MovingAverage>(averaged, options_.ema);
    order_ = std::make_unique<BatchOrder>(trained.count, options_.batchSize, device_, options_.seed * 2 + 1);
    attackGenerator_ = makeGenerator(device_, options_.seed * 2 + 2);
    imageGenerator_ = makeGenerator(device_, options_.seed * 2 + 3);
    const int64_t halves = int64_t{defence_->usesClean()} + int64_t{defence_->usesAttacked()};
    metrics_ = std::make_unique<RunningMetrics>(static_cast<int64_t>(exits), halves, device_);

    const int64_t perEpoch = trained.count / options_.batchSize;
    iterations_ = options_.iterations > 0
                      ? options_.iterations
                      : std::max<int64_t>(1, std::llround(options_.epochs * static_cast<double>(perEpoch)));
  }

  void restore(const Checkpoint& checkpoint) {
    torch::NoGradGuard noGradient;
    const auto copy = [&](const std::string& name, const Tensor& dst) {
      const Tensor& src = checkpoint.tensor(name);
      if (src.sizes() != dst.sizes())
        throw Error(text("checkpoint: tensor \"", name, "\" has another shape"));
      dst.copy_(src);
    };
    for (const GraphModule::Weight& weight : module_->weights())
      if (weight.moves()) copy("weight." + weight.name, weight.value.detach());
    for (size_t i = 0; i < sgd_->velocities().size(); ++i) copy(text("velocity.", i), sgd_->velocities()[i]);
    if (average_)
      for (size_t i = 0; i < average_->averages().size(); ++i)
        copy(text("average.", i), average_->averages()[i]);
    copy("metrics.loss", metrics_->loss);
    copy("metrics.correct", metrics_->correct);
    metrics_->iterations = checkpoint.state.at("metrics_iterations").get<int64_t>();
    order_->restore(checkpoint);
    attackGenerator_.set_state(checkpoint.tensor("generator.attack"));
    imageGenerator_.set_state(checkpoint.tensor("generator.images"));
    const Tensor& thresholds = checkpoint.tensor("thresholds");
    guard_->keep(checkpoint.state.at("best_robust").get<double>());
    rollbacks_ = checkpoint.state.at("rollbacks").get<int>();
    rule_.thresholds.assign(thresholds.data_ptr<float>(), thresholds.data_ptr<float>() + thresholds.numel());
    dropoutGenerator().set_state(checkpoint.tensor("generator.dropout"));
    iteration_ = checkpoint.state.at("iteration").get<int64_t>();
    secondsBefore_ = checkpoint.state.at("seconds").get<double>();
  }

  void save(const std::string& path) {
    // Never over a good checkpoint with weights that are no numbers.
    Tensor sum = metrics_->loss.clone();
    for (const Tensor& parameter : module_->trainable()) sum += parameter.detach().sum();
    checkLoss(sum.item<float>());
    Checkpoint checkpoint;
    checkpoint.state["options"] = toJson(options_);
    checkpoint.state["iteration"] = iteration_;
    checkpoint.state["seconds"] = secondsTrained();
    checkpoint.state["best_robust"] = guard_->best();
    checkpoint.state["rollbacks"] = rollbacks_;
    checkpoint.state["metrics_iterations"] = metrics_->iterations;
    for (const GraphModule::Weight& weight : module_->weights())
      if (weight.moves()) checkpoint.add("weight." + weight.name, weight.value);
    for (size_t i = 0; i < sgd_->velocities().size(); ++i)
      checkpoint.add(text("velocity.", i), sgd_->velocities()[i]);
    if (average_)
      for (size_t i = 0; i < average_->averages().size(); ++i)
        checkpoint.add(text("average.", i), average_->averages()[i]);
    checkpoint.add("metrics.loss", metrics_->loss);
    checkpoint.add("metrics.correct", metrics_->correct);
    order_->save(checkpoint);
    checkpoint.add("generator.attack", attackGenerator_.get_state());
    checkpoint.add("generator.images", imageGenerator_.get_state());
    checkpoint.add("thresholds", torch::tensor(rule_.thresholds, torch::kFloat32));
    checkpoint.add("generator.dropout", dropoutGenerator().get_state());
    saveCheckpoint(checkpoint, path);
  }

  TrainOutcome run(const TrainHooks& hooks) {
    metricsFile_.keepUpTo(iteration_);
    started_ = Clock::now();
    startIteration_ = iteration_;
    while (iteration_ < iterations_) {
      if (hooks.stopRequested && hooks.stopRequested()) {
        save(folder_.checkpoint());
        return TrainOutcome::stopped;
      }
      iterate();
      ++iteration_;
      report(hooks);
      const bool last = iteration_ == iterations_;
      if (options_.validateEvery > 0 && iteration_ % options_.validateEvery == 0 && !last) {
        validate(hooks);
        guard(hooks);
      }
      if (iteration_ % options_.checkpointEvery == 0 || last) save(folder_.checkpoint());
    }
    validate(hooks);
    writeModel();
    return TrainOutcome::finished;
  }

private:
  torch::Generator dropoutGenerator() const { return at::globalContext().defaultGenerator(device_); }

  double secondsTrained() const { return secondsBefore_ + secondsSince(started_); }

  AttackOptions attackNow() const {
    AttackOptions attack = options_.attack;
    if (iteration_ < options_.epsilonWarmupIterations) {
      const double share =
          static_cast<double>(iteration_ + 1) / static_cast<double>(options_.epsilonWarmupIterations);
      attack.epsilon *= share;
      attack.stepSize *= share;
    }
    return attack;
  }

  // What routed attacks follow: thresholds by which the exits take their shares of held-out images, or of
  // images to train on where none are held out.
  void estimateThresholds() {
    torch::Generator unused = makeGenerator(device_, 0);
    const ScoreTable table = collectScores(*module_, heldOut_ ? *heldOut_ : *images_, {}, options_.attack,
                                           rule_, kValidationBatch, kThresholdImages, unused);
    rule_.thresholds = givenShares(table, rule_, exitShares_);
  }

  std::vector<Tensor> gradientsOf(const Tensor& loss) const {
    return torch::autograd::grad({loss}, module_->trainable(), {}, /*retain_graph=*/false,
                                 /*create_graph=*/false, /*allow_unused=*/true);
  }

  void iterate() {
    if (defence_->followsRule() && iteration_ % options_.thresholdsEvery == 0) estimateThresholds();
    Batch batch = images_->pick(order_->next());
    if (augmentation_.any()) batch.images = augment(batch.images, augmentation_, imageGenerator_);
    const AutocastGuard autocast(device_.type(), options_.precision == "bf16");
    const AttackedImages attacked =
        defence_->attacked(batch, attackNow(), rule_, iteration_, attackGenerator_);
    if (perturbation_) {
      // The statistics of a net that never was are not kept.
      const ForwardMode mode{/*batchStatistics=*/true, /*updateStatistics=*/false, /*dropout=*/true};
      perturbation_->climb(gradientsOf(defence_->lossOf(batch, attacked, mode).value));
    }
    const Defence::Loss loss = defence_->lossOf(batch, attacked, ForwardMode::training());
    const std::vector<Tensor> gradients = gradientsOf(loss.value);
    if (perturbation_) perturbation_->undo();
    sgd_->step(gradients, learningRateAt(options_, iteration_, iterations_));
    if (average_) average_->update(iteration_);

    torch::NoGradGuard noGradient;
    metrics_->loss.add_(loss.value);
    metrics_->correct.add_(loss.correct);
    ++metrics_->iterations;
  }

  static void checkLoss(double loss) {
    if (!std::isfinite(loss))
      throw Error(
          "the loss is no longer a number: the training diverged; the last checkpoint is kept. Start again "
          "with a "
          "lower --learning-rate or a longer --epsilon-warmup-iterations");
  }

  // Reads the sums, which waits for the device: rarely there, often on a CPU.
  void report(const TrainHooks& hooks) {
    const bool log = iteration_ % options_.logEvery == 0 || iteration_ == iterations_;
    const bool due =
        device_.is_cpu() && hooks.progress && secondsSince(lastReport_) >= kSecondsBetweenProgress;
    if (!log && !due) return;
    lastReport_ = Clock::now();
    TrainProgress progress;
    progress.iteration = iteration_;
    progress.iterations = iterations_;
    progress.loss = metrics_->loss.item<float>() / static_cast<double>(metrics_->iterations);
    checkLoss(progress.loss);
    const Tensor correct = metrics_->correct.to(torch::kCPU);
    const double images = static_cast<double>(metrics_->iterations * options_.batchSize);
    for (int64_t half = 0; half < correct.size(1); ++half)
      for (int64_t k = 0; k < correct.size(0); ++k)
        (half == 0 && defence_->usesClean() ? progress.cleanAccuracy : progress.robustAccuracy)
            .push_back(static_cast<double>(correct[k][half].item<int64_t>()) / images);
    progress.epsilon = defence_->usesAttacked() ? attackNow().epsilon : 0;
    progress.learningRate = learningRateAt(options_, iteration_ - 1, iterations_);
    const double perIteration = secondsSince(started_) / static_cast<double>(iteration_ - startIteration_);
    progress.imagesPerSecond = static_cast<double>(options_.batchSize) / perIteration;
    progress.secondsLeft = perIteration * static_cast<double>(iterations_ - iteration_);
    progress.logged = log;
    if (log) {
      metricsFile_.append(toJson(progress, secondsTrained()));
      metrics_->clear();
    }
    if (hooks.progress) hooks.progress(progress);
  }

  // Of each exit when everybody leaves there.
  std::vector<double> heldOutAccuracy(const std::optional<AttackForm>& form, int64_t images) {
    torch::Generator generator = makeGenerator(device_, options_.seed);
    const graph::ExitRule rule = graph::mainExitOnly(module_->exitCount());
    return applyRule(collectScores(*module_, *heldOut_, form, validationAttack(options_), rule,
                                   kValidationBatch, images, generator),
                     rule)
        .accuracyForced;
  }

  // With the averaged weights when there are any, as they are what is kept in the end.
  void validate(const TrainHooks& hooks) {
    if (!heldOut_) return;
    if (average_) average_->swap();
    Validation result;
    result.iteration = iteration_;
    result.images = std::min(options_.validateImages, heldOut_->count());
    result.clean = heldOutAccuracy({}, options_.validateImages);
    result.attacked = heldOutAccuracy(AttackForm{AttackForm::Kind::average, 0}, options_.validateImages);
    if (average_) average_->swap();
    validation_ = toJson(result);
    metricsFile_.append({{"iteration", iteration_}, {"validation", validation_}});
    if (hooks.validation) hooks.validation(result);
  }

  // The weights as they are trained: an average would show a collapse late.
  void guard(const TrainHooks& hooks) {
    if (!heldOut_ || !defence_->usesAttacked() || options_.collapseDrop == 0) return;
    const std::vector<double> accuracies = heldOutAccuracy(AttackForm{AttackForm::Kind::average, 0},
                                                           std::min(options_.validateImages, kGuardImages));
    const double robust =
        std::accumulate(accuracies.begin(), accuracies.end(), 0.0) / static_cast<double>(accuracies.size());
    if (!guard_->isCollapse(robust)) {
      guard_->keep(robust);
      save(folder_.good());
      return;
    }
    const double best = guard_->best();
    const int64_t here = iteration_;
    if (++rollbacks_ > kMostRollbacks)
      throw Error(text("robust accuracy on held-out images fell from ", percent(best), " % to ",
                       percent(robust), " % at iteration ", here, ", after ", kMostRollbacks,
                       " attempts with longer attacks; start again with a lower --learning-rate, or more "
                       "--attack-steps. The last good state is ",
                       folder_.good()));
    const int rollbacks = rollbacks_;
    const AttackOptions attack = options_.attack;
    restore(loadCheckpoint(folder_.good()));
    rollbacks_ = rollbacks;
    options_.attack.steps = 2 * attack.steps;
    options_.attack.stepSize = attack.stepSize / 2;
    metricsFile_.keepUpTo(iteration_);
    metricsFile_.append({{"iteration", iteration_},
                         {"rollback",
                          {{"from", here},
                           {"robust_before", best},
                           {"robust", robust},
                           {"attack_steps", options_.attack.steps}}}});
    save(folder_.checkpoint());
    started_ = Clock::now();
    startIteration_ = iteration_;
    if (hooks.notice)
      hooks.notice(text("robust accuracy on held-out images fell from ", percent(best), " % to ",
                        percent(robust), " %: catastrophic overfitting. Back to iteration ", iteration_,
                        "; attacks now take ", options_.attack.steps, " steps instead of ", attack.steps));
  }

  void writeModel() {
    if (average_) average_->swap();
    module_->writeBack(model_);
    if (average_) average_->swap();

    nlohmann::json results = {{"iterations", iterations_},
                              {"trained_images", images_->count()},
                              {"libtorch", TORCH_VERSION},
                              {"seconds", std::round(secondsTrained())}};
    if (!validation_.is_null()) results["validation"] = validation_;
    if (rollbacks_ > 0) results["rollbacks"] = rollbacks_;
    stateTraining(model_, options_, source_, results);
    graph::saveModel(model_, folder_.model());
  }

  TrainOptions options_;
  RunFolder folder_;
  MetricsFile metricsFile_;
  onnx::ModelProto model_;
  DataSource source_;
  torch::Device device_;
  std::unique_ptr<DeviceImages> images_, heldOut_;
  std::shared_ptr<GraphModule> module_;
  std::unique_ptr<Defence> defence_;
  graph::ExitRule rule_;  // that routed attacks follow
  std::vector<double> exitShares_;
  AugmentOptions augmentation_;
  std::unique_ptr<WeightPerturbation> perturbation_;
  std::unique_ptr<CollapseGuard> guard_;
  int rollbacks_ = 0;
  std::unique_ptr<Sgd> sgd_;
  std::unique_ptr<MovingAverage> average_;
  std::unique_ptr<BatchOrder> order_;
  torch::Generator attackGenerator_, imageGenerator_;
  std::unique_ptr<RunningMetrics> metrics_;
  nlohmann::json validation_;
  int64_t iteration_ = 0, iterations_ = 0, startIteration_ = 0;
  double secondsBefore_ = 0;
  Clock::time_point started_ = Clock::now(), lastReport_;
};

onnx::ModelProto modelToStartFrom(const TrainOptions& options) {
  if (!options.architecture.empty()) return zoo::build(options.architecture, options.seed);
  onnx::ModelProto model = graph::loadModel(options.init);
  refuseEarlyExit(model, options.init);
  const auto metadata = namingTheModel(options.init, [&] { return graph::readMetadata(model); });
  const auto recorded = heldOutOf(metadata.recipe, dataSource(options.data).name);
  if (recorded) checkStillHeldOut({options.heldOut, options.heldOutSeed}, *recorded, options.init);
  return model;
}

}  // namespace

TrainOutcome startTraining(const TrainOptions& options, const std::string& runFolder,
                           const TrainHooks& hooks) {
  checkTrainOptions(options);
  const RunFolder folder(runFolder);
  folder.refuseSecondTraining();
  onnx::ModelProto model = modelToStartFrom(options);
  Training training(options, folder, model, options.init, hooks.loading);

  folder.create();
  graph::saveModel(model, folder.initial());
  MetricsFile(folder.metrics()).remove();
  training.save(folder.checkpoint());
  return training.run(hooks);
}

TrainOutcome resumeTraining(const std::string& runFolder, std::optional<int> threads,
                            const TrainHooks& hooks) {
  const RunFolder folder(runFolder);
  folder.expectTraining();
  const Checkpoint checkpoint = loadCheckpoint(folder.checkpoint());
  TrainOptions options;
  try {
    options = trainOptionsFromJson(checkpoint.state.at("options"));
  } catch (const nlohmann::json::exception& error) {
    throw Error(text(folder.checkpoint(), ": ", error.what()));
  }
  if (threads) options.threads = *threads;
  checkTrainOptions(options);
  Training training(options, folder, graph::loadModel(folder.initial()), folder.initial(), hooks.loading);
  training.restore(checkpoint);
  return training.run(hooks);
}

}  // namespace rdi::train
