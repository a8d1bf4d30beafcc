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
#include "trainer/worker_group.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;
using Clock = std::chrono::steady_clock;

constexpr double kSecondsBetweenProgress = 0.5;
constexpr int64_t kValidationBatch = 500;
// A loss so many times that of guessing comes from steps that were too long.
constexpr double kExploded = 100;
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
           const LoadProgress& loading, WorkerGroup* group)
      : options_(std::move(options)),
        folder_(std::move(folder)),
        metricsFile_(folder_.metrics()),
        model_(std::move(model)),
        source_(dataSource(options_.data)),
        device_(useDevice(options_.device, options_.threads)),
        group_(group) {
    source_.pictureShape = graph::inputShape(model_);
    const ImageSet images = source_.load(Split::train, loading);
    namingTheModel(modelName, [&] { checkModelFitsData(model_, images, source_); });
    const ImageSet trained = trainingPart(images, options_.heldOut, options_.heldOutSeed);
    if (trained.count < options_.batchSize)
      throw Error(text("--batch-size: found ", options_.batchSize, ", expected at most ", trained.count,
                       ", the images to train on"));
    if (group_ != nullptr) {
      if (options_.batchSize % group_->size() != 0)
        throw Error(text("--batch-size: found ", options_.batchSize, ", expected a multiple of ",
                         group_->size(), ", the number of processes that share each batch (WORLD_SIZE)"));
      part_ = {group_->rank(), group_->size(), options_.batchSize / group_->size()};
    }
    dataChecksum_ = checksumOf(images);
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
    if (!options_.teacher.empty()) loadTeacher(images);
    if (options_.crop > 0) {
      checkCrop(*module_, "the model", images);
      if (teacher_) checkCrop(*teacher_, "the teacher", images);
    }
    if (group_ != nullptr) module_->shareBatches(*group_, part_);
    const size_t exits = module_->exitCount();
    defence_ = std::make_unique<Defence>(options_, *module_, device_, teacher_.get());
    const std::vector<double>& weights = options_.exitWeights;
    guessing_ =
        std::log(static_cast<double>(source_.classNames.size())) *
        (weights.empty() ? static_cast<double>(exits) : std::accumulate(weights.begin(), weights.end(), 0.0));
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
    order_ = std::make_unique<BatchOrder>(trained.count, options_.batchSize, device_, options_.seed * 2 + 1,
                                          part_);
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
    const uint32_t expected = checkpoint.state.value("data_checksum", dataChecksum_);
    if (dataChecksum_ != expected)
      throw Error(text(source_.name, ": found images or labels with checksum ", dataChecksum_, ", expected ",
                       expected, ", that of the data this training began with"));
    const auto copy = [&](const std::string& name, const Tensor& dst) {
      const Tensor& src = checkpoint.tensor(name);
      if (src.sizes() != dst.sizes())
        throw Error(text("found tensor \"", name, "\" of shape ", src.sizes(), ", expected ", dst.sizes(),
                         ": it is of another model than initial.onnx beside it"));
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
    iteration_ = savedIteration_ = checkpoint.state.at("iteration").get<int64_t>();
    secondsBefore_ = checkpoint.state.at("seconds").get<double>();
    validation_ = checkpoint.state.value("validation", nlohmann::json());
    bestValidation_ = checkpoint.state.value("best_validation", bestValidation_);
  }

  void save(const std::string& path) {
    // Never over a good checkpoint with weights that are no numbers.
    Tensor sum = metrics_->loss.clone();
    for (const Tensor& parameter : module_->trainable()) sum += parameter.detach().sum();
    if (!std::isfinite(sum.item<float>())) checkLoss(std::numeric_limits<double>::quiet_NaN());
    Checkpoint checkpoint;
    checkpoint.state["options"] = toJson(options_);
    checkpoint.state["iteration"] = iteration_;
    checkpoint.state["seconds"] = secondsTrained();
    checkpoint.state["best_robust"] = guard_->best();
    checkpoint.state["rollbacks"] = rollbacks_;
    checkpoint.state["metrics_iterations"] = metrics_->iterations;
    checkpoint.state["data_checksum"] = dataChecksum_;
    checkpoint.state["validation"] = validation_;
    checkpoint.state["best_validation"] = bestValidation_;
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
    if (isFirst()) metricsFile_.keepUpTo(iteration_);
    started_ = Clock::now();
    startIteration_ = iteration_;
    while (iteration_ < iterations_) {
      if (stopAgreed_ || (group_ == nullptr && hooks.stopRequested && hooks.stopRequested())) {
        saveLast(hooks);
        return TrainOutcome::stopped;
      }
      iterate(hooks);
      ++iteration_;
      report(hooks);
      const bool last = iteration_ == iterations_;
      const bool isTime = options_.validateEvery > 0 && iteration_ % options_.validateEvery == 0;
      if (last || isTime) validate(hooks);
      if (isTime && !last) guard(hooks);
      if (last || iteration_ % options_.checkpointEvery == 0) saveLast(hooks);
    }
    if (isFirst()) graph::saveModel(modelNow(), folder_.model());
    return TrainOutcome::finished;
  }

  int64_t iteration() const { return iteration_; }
  int64_t savedIteration() const { return savedIteration_; }  // of the last checkpoint

  nlohmann::json machine() const {
    return {{"device", options_.device},
            {"threads", at::get_num_threads()},
            {"processes", part_.count},
            {"libtorch", TORCH_VERSION}};
  }

  // What can be said of a run before it begins.
  nlohmann::json facts() const {
    int64_t parameters = 0;
    for (const Tensor& parameter : module_->trainable()) parameters += parameter.numel();
    return {{"seed", options_.seed},
            {"data",
             {{"name", source_.name},
              {"trained_images", images_->count()},
              {"held_out_images", options_.heldOut},
              {"checksum", dataChecksum_},
              {"classes", source_.classNames}}},
            {"model", {{"exits", graph::exitNames(model_)}, {"trained_parameters", parameters}}},
            {"iterations", iterations_},
            {"options", toJson(options_)}};
  }

  void saveLast(const TrainHooks& hooks) {
    if (!isFirst()) return;
    save(folder_.checkpoint());
    savedIteration_ = iteration_;
    if (hooks.saved) hooks.saved();
  }

private:
  // Of the processes that train together; it alone writes.
  bool isFirst() const { return group_ == nullptr || group_->isFirst(); }

  // Makes of this process's gradients (of the mean over its rows), loss and counts of right answers those of
  // the whole batch, and hears whether somebody was asked to stop: all in one message.
  void shareStep(std::vector<Tensor>& gradients, Defence::Loss& loss, bool stop) {
    std::vector<Tensor> parts = gradients;
    parts.push_back(loss.value);
    // Sums, while the others are means: times the number of parts comes out as the sum.
    parts.push_back(loss.correct.to(torch::kFloat32) * static_cast<double>(group_->size()));
    parts.push_back(torch::full({1}, stop ? 1 : 0, loss.value.options()));
    averageOverParts(*group_, parts);
    stopAgreed_ = parts.back().item<float>() > 0;
    const size_t count = gradients.size();
    gradients.assign(parts.begin(), parts.begin() + static_cast<int64_t>(count));
    loss.value = parts[count];
    loss.correct = parts[count + 1].round().to(torch::kInt64);
  }

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
    std::vector<double> thresholds(rule_.thresholds.begin(), rule_.thresholds.end());
    agreeOn(thresholds);
    rule_.thresholds.assign(thresholds.begin(), thresholds.end());
  }

  void loadTeacher(const ImageSet& images) {
    const onnx::ModelProto model = graph::loadModel(options_.teacher);
    refuseEarlyExit(model, options_.teacher);
    namingTheModel("--teacher: " + options_.teacher, [&] {
      checkModelFitsData(model, images, source_);
      // What the teacher has learned by heart, it tells.
      const auto recorded = heldOutOf(graph::readMetadata(model).recipe, source_.name);
      if (recorded) checkStillHeldOut({options_.heldOut, options_.heldOutSeed}, *recorded, options_.teacher);
      GraphModuleOptions moduleOptions;
      moduleOptions.channelsLast = options_.channelsLast;
      moduleOptions.logProbabilities = givesProbabilities(model);
      teacher_ = std::make_unique<GraphModule>(model, moduleOptions);
    });
    teacher_->to(device_);
  }

  void checkCrop(GraphModule& net, const char* what, const ImageSet& images) const {
    const int64_t crop = options_.crop, smallest = std::min(images.height, images.width);
    if (crop > smallest)
      throw Error(text("--crop: found ", crop, ", expected at most ", smallest,
                       ", the height or width of the images"));
    torch::NoGradGuard noGradient;
    try {
      net.forward(torch::zeros({1, images.channels, crop, crop}).to(device_), ForwardMode::evaluation());
    } catch (const c10::Error&) {
      throw Error(text("--crop: ", what, " does not take images of ", crop, " x ", crop,
                       ": a layer of it is made for one size; leave --crop out"));
    }
  }

  bool isCropped() const {
    return static_cast<double>(iteration_) < options_.cropShare * static_cast<double>(iterations_);
  }

  std::vector<Tensor> gradientsOf(const Tensor& loss) const {
    return torch::autograd::grad({loss}, module_->trainable(), {}, /*retain_graph=*/false,
                                 /*create_graph=*/false, /*allow_unused=*/true);
  }

  void iterate(const TrainHooks& hooks) {
    if (defence_->followsRule() && iteration_ % options_.thresholdsEvery == 0) estimateThresholds();
    Batch batch = images_->pick(order_->next());
    augmentation_.crop = isCropped() ? static_cast<int>(options_.crop) : 0;
    if (augmentation_.any())
      batch.images = augment(batch.images, augmentation_, RowGenerator(imageGenerator_, part_));
    const AutocastGuard autocast(device_.type(), options_.precision == "bf16");
    const AttackedImages attacked =
        defence_->attacked(batch, attackNow(), rule_, iteration_, RowGenerator(attackGenerator_, part_));
    if (perturbation_) {
      // The statistics of a net that never was are not kept.
      const ForwardMode mode{/*batchStatistics=*/true, /*updateStatistics=*/false, /*dropout=*/true};
      std::vector<Tensor> gradients = gradientsOf(defence_->lossOf(batch, attacked, mode).value);
      if (group_ != nullptr) averageOverParts(*group_, gradients);
      perturbation_->climb(gradients);
    }
    Defence::Loss loss = defence_->lossOf(batch, attacked, ForwardMode::training());
    std::vector<Tensor> gradients = gradientsOf(loss.value);
    if (perturbation_) perturbation_->undo();

    torch::NoGradGuard noGradient;
    loss.value = loss.value.detach();
    if (group_ != nullptr) shareStep(gradients, loss, hooks.stopRequested && hooks.stopRequested());
    // A GPU would have to be waited for; there a report or a checkpoint finds out.
    if (device_.is_cpu()) checkLoss(loss.value.item<float>());
    sgd_->step(gradients, learningRateAt(options_, iteration_, iterations_));
    if (average_) average_->update(iteration_);
    metrics_->loss.add_(loss.value);
    metrics_->correct.add_(loss.correct);
    ++metrics_->iterations;
  }

  // Of one iteration, or the mean of several.
  void checkLoss(double loss) const {
    const char* const advice =
        "; the last checkpoint is kept. Start again with a lower --learning-rate or a longer "
        "--epsilon-warmup-iterations";
    if (!std::isfinite(loss))
      throw Error(text("iteration ", iteration_ + 1,
                       ": the loss is no longer a number: the training diverged", advice));
    if (loss > kExploded * guessing_)
      throw Error(text("iteration ", iteration_ + 1, ": the loss exploded: found ", loss, ", guessing gives ",
                       guessing_, advice));
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
      if (isFirst()) metricsFile_.append(toJson(progress, secondsTrained()));
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
    if (defence_->usesAttacked())
      result.attacked = heldOutAccuracy(AttackForm{AttackForm::Kind::average, 0}, options_.validateImages);
    if (average_) average_->swap();
    agreeOn(result.clean);
    if (!result.attacked.empty()) agreeOn(result.attacked);
    validation_ = toJson(result);
    if (isFirst()) metricsFile_.append({{"iteration", iteration_}, {"validation", validation_}});
    if (keptBy(result) > bestValidation_) {
      bestValidation_ = keptBy(result);
      result.isBest = true;
      if (isFirst()) {
        graph::saveModel(modelNow(), folder_.bestModel());
        save(folder_.bestCheckpoint());
      }
    }
    if (hooks.validation) hooks.validation(result);
  }

  // The weights as they are trained: an average would show a collapse late.
  void guard(const TrainHooks& hooks) {
    if (!heldOut_ || !defence_->usesAttacked() || options_.collapseDrop == 0) return;
    std::vector<double> accuracies = heldOutAccuracy(AttackForm{AttackForm::Kind::average, 0},
                                                     std::min(options_.validateImages, kGuardImages));
    agreeOn(accuracies);
    const double robust =
        std::accumulate(accuracies.begin(), accuracies.end(), 0.0) / static_cast<double>(accuracies.size());
    if (!guard_->isCollapse(robust)) {
      guard_->keep(robust);
      if (isFirst()) save(folder_.good());
      return;
    }
    const double best = guard_->best(), bestValidation = bestValidation_;
    const int64_t here = iteration_;
    if (++rollbacks_ > kMostRollbacks)
      throw Error(text("robust accuracy on held-out images fell from ", percent(best), " % to ",
                       percent(robust), " % at iteration ", here, ", after ", kMostRollbacks,
                       " attempts with longer attacks; start again with a lower --learning-rate, or more "
                       "--attack-steps. The last good state is ",
                       folder_.good()));
    const int rollbacks = rollbacks_;
    const AttackOptions attack = options_.attack;
    restore(lastGood());
    rollbacks_ = rollbacks;
    bestValidation_ = bestValidation;  // best.onnx stays what it is
    options_.attack.steps = 2 * attack.steps;
    options_.attack.stepSize = attack.stepSize / 2;
    if (isFirst()) {
      metricsFile_.keepUpTo(iteration_);
      metricsFile_.append({{"iteration", iteration_},
                           {"rollback",
                            {{"from", here},
                             {"robust_before", best},
                             {"robust", robust},
                             {"attack_steps", options_.attack.steps}}}});
    }
    saveLast(hooks);
    started_ = Clock::now();
    startIteration_ = iteration_;
    if (hooks.notice)
      hooks.notice(text("robust accuracy on held-out images fell from ", percent(best), " % to ",
                        percent(robust), " %: catastrophic overfitting. Back to iteration ", iteration_,
                        "; attacks now take ", options_.attack.steps, " steps instead of ", attack.steps));
  }

  // The first process has the file; it tells the others what is in it.
  Checkpoint lastGood() const {
    if (group_ == nullptr) return loadCheckpoint(folder_.good());
    const std::string bytes = isFirst() ? graph::readFile(folder_.good()) : "";
    return parseCheckpoint(group_->share(text("good.", rollbacks_), bytes), folder_.good());
  }

  // Everybody looks at all held-out images; other machines round otherwise, so the first one's word counts.
  void agreeOn(std::vector<double>& numbers) const {
    if (group_ == nullptr) return;
    Tensor values = torch::tensor(numbers, torch::kFloat64);
    if (!isFirst()) values.zero_();
    group_->sum(values);
    numbers.assign(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  }

  // The model with the weights as they would be kept now.
  onnx::ModelProto modelNow() {
    onnx::ModelProto model = model_;
    if (average_) average_->swap();
    module_->writeBack(model);
    if (average_) average_->swap();
    nlohmann::json results = {{"iterations", iterations_},
                              {"trained_images", images_->count()},
                              {"libtorch", TORCH_VERSION},
                              {"seconds", std::round(secondsTrained())}};
    if (iteration_ < iterations_) results["iteration"] = iteration_;
    if (!validation_.is_null()) results["validation"] = validation_;
    if (rollbacks_ > 0) results["rollbacks"] = rollbacks_;
    stateTraining(model, options_, source_, results);
    return model;
  }

  TrainOptions options_;
  RunFolder folder_;
  MetricsFile metricsFile_;
  onnx::ModelProto model_;
  DataSource source_;
  torch::Device device_;
  WorkerGroup* group_;  // null: alone
  BatchPart part_;
  bool stopAgreed_ = false;
  uint32_t dataChecksum_ = 0;
  std::unique_ptr<DeviceImages> images_, heldOut_;
  std::shared_ptr<GraphModule> module_;
  std::unique_ptr<GraphModule> teacher_;
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
  double bestValidation_ = -1;  // of the looks at held-out images so far
  double guessing_ = 0;         // the loss of a net that gives every class the same probability
  int64_t iteration_ = 0, savedIteration_ = 0, iterations_ = 0, startIteration_ = 0;
  double secondsBefore_ = 0;
  Clock::time_point started_ = Clock::now(), lastReport_;
};

onnx::ModelProto modelToStartFrom(const TrainOptions& options) {
  if (!options.architecture.empty())
    return zoo::build(options.architecture, options.seed,
                      static_cast<int64_t>(dataSource(options.data).classNames.size()));
  onnx::ModelProto model = graph::loadModel(options.init);
  refuseEarlyExit(model, options.init);
  const auto metadata = namingTheModel(options.init, [&] { return graph::readMetadata(model); });
  const auto recorded = heldOutOf(metadata.recipe, dataSource(options.data).name);
  if (recorded) checkStillHeldOut({options.heldOut, options.heldOutSeed}, *recorded, options.init);
  return model;
}

// The names under which the processes of a group meet.
constexpr const char* kModel = "model";
constexpr const char* kCheckpoint = "checkpoint";
constexpr const char* kReady = "ready";

// From the first process's folder to the others', who have none.
void handOut(WorkerGroup* group, const RunFolder& folder) {
  if (group == nullptr) return;
  group->share(kModel, graph::readFile(folder.initial()));
  group->share(kCheckpoint, graph::readFile(folder.checkpoint()));
  group->meet(kReady, "");
}

TrainOptions optionsOf(const Checkpoint& checkpoint, const std::string& name, const MachineOptions& machine) {
  TrainOptions options;
  try {
    options = trainOptionsFromJson(checkpoint.state.at("options"));
  } catch (const nlohmann::json::exception& error) {
    throw Error(text(name, ": ", error.what()));
  }
  if (machine.threads) options.threads = *machine.threads;
  if (!machine.device.empty()) options.device = machine.device;
  if (!machine.data.empty()) {
    const std::string expected = dataSource(options.data).name, found = dataSource(machine.data).name;
    if (found != expected)
      throw Error(text("--data: found ", found, ", expected ", expected, ", which this training began with"));
    options.data = machine.data;
  }
  checkTrainOptions(options);
  return options;
}

// Runs a training of which the folder tells, to its end, whatever that is.
TrainOutcome runRecorded(Training& training, const RunFolder& folder, const TrainHooks& hooks,
                         const RunOrigin& origin) {
  recordStart(folder, origin, training.iteration(), training.machine());
  const auto ended = [&](nlohmann::json how) {
    how["iteration"] = training.iteration();
    recordEnd(folder, how);
  };
  try {
    const TrainOutcome outcome = training.run(hooks);
    ended({{"outcome", outcome == TrainOutcome::finished ? "finished" : "stopped"}});
    return outcome;
  } catch (const WorkerLost& error) {
    ended({{"outcome", "failed"}, {"message", error.what()}});
    throw WorkerLost(text(error.what(), ". The checkpoint of iteration ", training.savedIteration(),
                          " is good; go on, with as many processes as you like: rdi-train --resume ",
                          folder.path()));
  } catch (const Error& error) {
    try {
      ended({{"outcome", "failed"}, {"message", error.what()}});
    } catch (const Error&) {  // the first error is what matters
    }
    throw;
  }
}

}  // namespace

TrainOutcome startTraining(const TrainOptions& options, const std::string& runFolder, const TrainHooks& hooks,
                           const RunOrigin& origin, WorkerGroup* group) {
  checkTrainOptions(options);
  const RunFolder folder(runFolder);
  folder.refuseSecondTraining();
  onnx::ModelProto model = modelToStartFrom(options);
  Training training(options, folder, model, options.init, hooks.loading, group);

  folder.create();
  const RunFolderLock lock(folder);
  folder.removeLeftovers();
  graph::saveModel(model, folder.initial());
  MetricsFile(folder.metrics()).remove();
  writeRunRecord(folder, origin, training.facts());
  training.save(folder.checkpoint());
  handOut(group, folder);
  return runRecorded(training, folder, hooks, origin);
}

TrainOutcome resumeTraining(const std::string& runFolder, const MachineOptions& machine,
                            const TrainHooks& hooks, const RunOrigin& origin, WorkerGroup* group) {
  const RunFolder folder(runFolder);
  folder.expectTraining();
  const RunFolderLock lock(folder);
  folder.removeLeftovers();
  const Checkpoint checkpoint = loadCheckpoint(folder.checkpoint());
  Training training(optionsOf(checkpoint, folder.checkpoint(), machine), folder,
                    graph::loadModel(folder.initial()), folder.initial(), hooks.loading, group);
  namingTheModel(folder.checkpoint(), [&] { training.restore(checkpoint); });
  handOut(group, folder);
  return runRecorded(training, folder, hooks, origin);
}

TrainOutcome joinTraining(WorkerGroup& group, const MachineOptions& machine, const TrainHooks& hooks) {
  const std::string model = group.share(kModel, {}), state = group.share(kCheckpoint, {});
  std::unique_ptr<Training> training;
  try {
    const std::string modelName = "rank 0's initial.onnx", stateName = "rank 0's checkpoint";
    const Checkpoint checkpoint = parseCheckpoint(state, stateName);
    training = std::make_unique<Training>(optionsOf(checkpoint, stateName, machine), RunFolder({}),
                                          graph::parseModel(model.data(), model.size(), modelName), modelName,
                                          hooks.loading, &group);
    training->restore(checkpoint);
  } catch (const Error& error) {
    try {
      group.meet(kReady, error.what());  // throws it everywhere
    } catch (const Error&) {             // here in our own words
    }
    throw;
  }
  group.meet(kReady, "");
  return training->run(hooks);
}

}  // namespace rdi::train
