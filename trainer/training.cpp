// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/training.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "graph/error.hpp"
#include "graph/metadata.hpp"
#include "graph/model_io.hpp"
#include "graph/shapes.hpp"
#include "graph/zoo/zoo.hpp"
#include "trainer/attacks.hpp"
#include "trainer/batch_order.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/data.hpp"
#include "trainer/device.hpp"
#include "trainer/device_images.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/optimizer.hpp"
#include "trainer/run_folder.hpp"
#include "trainer/running_metrics.hpp"
#include "trainer/score_collection.hpp"
#include "trainer/torch_compat.hpp"
#include "trainer/trained_model.hpp"
#include "trainer/worker_group.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;
using Clock = std::chrono::steady_clock;

constexpr double kSecondsBetweenProgress = 0.5;
constexpr int64_t kValidationBatch = 500;
// A loss so many times that of guessing comes from steps that were too long.
constexpr double kExploded = 100;

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
    if (group_ != nullptr) module_->shareBatches(*group_, part_);
    const auto exits = static_cast<int64_t>(module_->exitCount());

    isDefended_ = options_.defence != "standard";
    if (isDefended_) form_ = attackFormFromName(options_.defence, module_->exitCount());
    usesClean_ = !isDefended_ || options_.cleanWeight > 0;
    usesAttacked_ = isDefended_ && options_.cleanWeight < 1;
    setLossWeights();

    std::vector<Tensor> averaged;
    for (const GraphModule::Weight& weight : module_->weights())
      if (weight.moves()) averaged.push_back(weight.value);
    sgd_ = std::make_unique<Sgd>(module_->trainable(), options_.momentum, options_.weightDecay);
    if (options_.ema > 0) average_ = std::make_unique<MovingAverage>(averaged, options_.ema);
    order_ = std::make_unique<BatchOrder>(trained.count, options_.batchSize, device_, options_.seed * 2 + 1,
                                          part_);
    attackGenerator_ = makeGenerator(device_, options_.seed * 2 + 2);
    metrics_ = std::make_unique<RunningMetrics>(exits, int64_t{usesClean_} + int64_t{usesAttacked_}, device_);

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
    dropoutGenerator().set_state(checkpoint.tensor("generator.dropout"));
    iteration_ = savedIteration_ = checkpoint.state.at("iteration").get<int64_t>();
    secondsBefore_ = checkpoint.state.at("seconds").get<double>();
    validation_ = checkpoint.state.value("validation", nlohmann::json());
    bestRobust_ = checkpoint.state.value("best_validation", bestRobust_);
  }

  // Into the file of this name.
  void save(const std::string& path) {
    // Never over a good checkpoint with weights that are no numbers.
    Tensor sum = metrics_->loss.clone();
    for (const Tensor& parameter : module_->trainable()) sum += parameter.detach().sum();
    if (!std::isfinite(sum.item<float>())) checkLoss(std::numeric_limits<double>::quiet_NaN());
    Checkpoint checkpoint;
    checkpoint.state["options"] = toJson(options_);
    checkpoint.state["iteration"] = iteration_;
    checkpoint.state["seconds"] = secondsTrained();
    checkpoint.state["metrics_iterations"] = metrics_->iterations;
    checkpoint.state["data_checksum"] = dataChecksum_;
    checkpoint.state["validation"] = validation_;
    checkpoint.state["best_validation"] = bestRobust_;
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
      if (last || (options_.validateEvery > 0 && iteration_ % options_.validateEvery == 0)) validate(hooks);
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
  void shareStep(std::vector<Tensor>& gradients, Tensor& loss, Tensor& correct, bool stop) {
    const std::vector<Tensor> parameters = module_->trainable();
    std::vector<Tensor> parts;
    for (size_t i = 0; i < gradients.size(); ++i)
      parts.push_back(
          (gradients[i].defined() ? gradients[i] : torch::zeros_like(parameters[i])).reshape({-1}));
    parts.push_back(loss.reshape({1}));
    parts.push_back(correct.reshape({-1}).to(torch::kFloat32));
    parts.push_back(torch::full({1}, stop ? 1 : 0, loss.options()));
    Tensor all = torch::cat(parts);
    group_->sum(all);
    int64_t place = 0;
    const auto next = [&](const Tensor& like) {
      const Tensor values = all.narrow(0, place, like.numel());
      place += like.numel();
      return values.view(like.sizes());
    };
    for (size_t i = 0; i < gradients.size(); ++i) gradients[i] = next(parameters[i]) / group_->size();
    loss = next(loss) / group_->size();
    correct = next(correct).to(torch::kInt64);
    stopAgreed_ = all[place].item<float>() > 0;
  }

  torch::Generator dropoutGenerator() const { return at::globalContext().defaultGenerator(device_); }

  double secondsTrained() const { return secondsBefore_ + secondsSince(started_); }

  void setLossWeights() {
    const size_t exits = module_->exitCount();
    std::vector<double> weights = options_.exitWeights;
    if (weights.empty()) weights.assign(exits, 1.0);
    if (weights.size() != exits)
      throw Error(text("--exit-weights: found ", weights.size(), " values, expected ", exits,
                       ", one for each exit of the model"));
    std::vector<float> values;
    for (double weight : weights) {
      if (usesClean_)
        values.push_back(static_cast<float>(weight * (usesAttacked_ ? options_.cleanWeight : 1)));
      if (usesAttacked_) values.push_back(static_cast<float>(weight * (1 - options_.cleanWeight)));
    }
    lossWeights_ = torch::tensor(values).view({static_cast<int64_t>(exits), -1}).to(device_);
    guessing_ = std::log(static_cast<double>(source_.classNames.size())) * lossWeights_.sum().item<float>();
  }

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

  // Scores of all exits for clean and attacked images, one long batch: exits x halves x N rows.
  Tensor scoresOf(const Batch& batch, const Tensor& attacked) {
    std::vector<Tensor> halves;
    if (usesClean_) halves.push_back(batch.images);
    if (usesAttacked_) halves.push_back(attacked);
    // Batch statistics are taken of clean and attacked images apart; without them one pass serves both.
    if (halves.size() == 1 || !module_->hasBatchNormalization())
      return torch::cat(
          module_->forward(halves.size() == 1 ? halves[0] : torch::cat(halves), ForwardMode::training()));
    const std::vector<Tensor> clean = module_->forward(halves[0], ForwardMode::training());
    const std::vector<Tensor> robust = module_->forward(halves[1], ForwardMode::training());
    std::vector<Tensor> all;
    for (size_t k = 0; k < clean.size(); ++k) {
      all.push_back(clean[k]);
      all.push_back(robust[k]);
    }
    return torch::cat(all);
  }

  void iterate(const TrainHooks& hooks) {
    const Batch batch = images_->pick(order_->next());
    const AutocastGuard autocast(device_.type(), options_.precision == "bf16");
    Tensor attacked;
    if (usesAttacked_)
      attacked = attack(*module_, batch.images, batch.labels, attackNow(), form_,
                        RowGenerator(attackGenerator_, part_));
    const Tensor scores = scoresOf(batch, attacked);
    const auto exits = static_cast<int64_t>(module_->exitCount());
    const int64_t halves = lossWeights_.size(1);
    const Tensor labels = batch.labels.repeat({exits * halves});
    const Tensor losses =
        torch::cross_entropy_loss(scores, labels, {}, at::Reduction::None, -100, options_.labelSmoothing);
    Tensor loss = (losses.view({exits, halves, -1}).mean(2) * lossWeights_).sum();
    std::vector<Tensor> gradients = torch::autograd::grad({loss}, module_->trainable(), {},
                                                          /*retain_graph=*/false, /*create_graph=*/false,
                                                          /*allow_unused=*/true);
    torch::NoGradGuard noGradient;
    loss = loss.detach();
    Tensor correct = scores.argmax(1).eq(labels).view({exits, halves, -1}).sum(2);
    if (group_ != nullptr) shareStep(gradients, loss, correct, hooks.stopRequested && hooks.stopRequested());
    // A GPU would have to be waited for; there a report or a checkpoint finds out.
    if (device_.is_cpu()) checkLoss(loss.item<float>());
    sgd_->step(gradients, learningRateAt(options_, iteration_, iterations_));
    if (average_) average_->update(iteration_);
    metrics_->loss.add_(loss);
    metrics_->correct.add_(correct);
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
        (half == 0 && usesClean_ ? progress.cleanAccuracy : progress.robustAccuracy)
            .push_back(static_cast<double>(correct[k][half].item<int64_t>()) / images);
    progress.epsilon = isDefended_ ? attackNow().epsilon : 0;
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

  // With the averaged weights when there are any, as they are what is kept in the end.
  void validate(const TrainHooks& hooks) {
    if (!heldOut_) return;
    if (average_) average_->swap();
    Validation result;
    result.iteration = iteration_;
    result.images = std::min(options_.validateImages, heldOut_->count());
    AttackOptions attack = options_.attack;
    attack.mode = AttackMode::eval;
    torch::Generator generator = makeGenerator(device_, options_.seed);
    graph::ExitRule everybodyToMain;
    everybodyToMain.thresholds.assign(module_->exitCount() - 1, -std::numeric_limits<float>::infinity());
    const auto accuracies = [&](const std::optional<AttackForm>& form) {
      return applyRule(collectScores(*module_, *heldOut_, form, attack, kValidationBatch,
                                     options_.validateImages, generator),
                       everybodyToMain)
          .accuracyForced;
    };
    result.clean = accuracies({});
    result.attacked = accuracies(AttackForm{AttackForm::Kind::average, 0});
    if (average_) average_->swap();
    if (group_ != nullptr) agreeOn(result);
    validation_ = toJson(result);
    if (isFirst()) metricsFile_.append({{"iteration", iteration_}, {"validation", validation_}});
    if (robustAccuracy(result) > bestRobust_) {
      bestRobust_ = robustAccuracy(result);
      result.isBest = true;
      if (isFirst()) {
        graph::saveModel(modelNow(), folder_.bestModel());
        save(folder_.bestCheckpoint());
      }
    }
    if (hooks.validation) hooks.validation(result);
  }

  // Everybody looks at all held-out images; other machines round otherwise, so the first one's word counts.
  void agreeOn(Validation& result) {
    for (std::vector<double>* accuracies : {&result.clean, &result.attacked}) {
      Tensor values = torch::tensor(*accuracies, torch::kFloat64);
      if (!isFirst()) values.zero_();
      group_->sum(values);
      accuracies->assign(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
    }
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
  bool isDefended_ = false, usesClean_ = true, usesAttacked_ = false;
  AttackForm form_;
  Tensor lossWeights_;  // exits x halves
  std::unique_ptr<Sgd> sgd_;
  std::unique_ptr<MovingAverage> average_;
  std::unique_ptr<BatchOrder> order_;
  torch::Generator attackGenerator_;
  std::unique_ptr<RunningMetrics> metrics_;
  nlohmann::json validation_;
  double bestRobust_ = -1;  // of the looks at held-out images so far
  double guessing_ = 0;     // the loss of a net that gives every class the same probability
  int64_t iteration_ = 0, savedIteration_ = 0, iterations_ = 0, startIteration_ = 0;
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
