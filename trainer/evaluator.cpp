// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluator.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <numeric>

#include "graph/error.hpp"
#include "graph/simplify.hpp"
#include "trainer/attacks.hpp"
#include "trainer/batch_journal.hpp"
#include "trainer/device.hpp"
#include "trainer/device_images.hpp"
#include "trainer/graph_module.hpp"
#include "trainer/model_fit.hpp"
#include "trainer/npy.hpp"
#include "trainer/saved_inputs.hpp"
#include "trainer/score_collection.hpp"
#include "trainer/torch_compat.hpp"

namespace rdi::train {
namespace {

using torch::Tensor;
using Clock = std::chrono::steady_clock;

// FNV-1a: the same everywhere, unlike std::hash.
uint64_t hashOf(const char* bytes, size_t count, uint64_t hash = 0xcbf29ce484222325U) {
  for (size_t i = 0; i < count; ++i) hash = (hash ^ static_cast<uint8_t>(bytes[i])) * 0x100000001b3U;
  return hash;
}

std::string hexadecimal(uint64_t value) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value));
  return digits;
}

std::vector<float> toFloats(const Tensor& tensor) {
  const Tensor values = tensor.to(torch::kCPU, torch::kFloat32).contiguous();
  return {values.data_ptr<float>(), values.data_ptr<float>() + values.numel()};
}

nlohmann::json toJson(const graph::ExitRule& rule) {
  nlohmann::json thresholds = nlohmann::json::array();
  for (float threshold : rule.thresholds) thresholds.push_back(text(threshold));
  return {{"criterion", graph::nameOf(rule.criterion)},
          {"fusion", graph::nameOf(rule.fusion)},
          {"patience", rule.patience},
          {"thresholds", thresholds}};
}

// Guesses how long things take, from how long they took; in seconds.
class TimeLeft {
public:
  TimeLeft(const std::vector<Attack>& attacks, int64_t batches) : batches_(batches) {
    for (const Attack& attack : attacks) work_.push_back(workOf(attack));
    spent_.resize(attacks.size());
    times_.resize(attacks.size());
    left_.assign(attacks.size(), batches);
  }

  void wasDone(size_t attack, double seconds) {
    spent_[attack] += seconds;
    ++times_[attack];
    --left_[attack];
  }
  void wasKnown(size_t attack) { --left_[attack]; }

  double seconds() const {
    double seconds = 0, work = 0;
    for (size_t a = 0; a < work_.size(); ++a) {
      seconds += spent_[a];
      work += static_cast<double>(times_[a]) * work_[a];
    }
    const double perWork = work > 0 ? seconds / work : 0;
    double result = 0;
    for (size_t a = 0; a < work_.size(); ++a)
      result += static_cast<double>(left_[a]) *
                (times_[a] > 0 ? spent_[a] / static_cast<double>(times_[a]) : work_[a] * perWork);
    return result;
  }

private:
  // In full passes forward and back an image.
  static double workOf(const Attack& attack) {
    double work = attack.options.steps * attack.options.restarts;
    if (attack.options.stepRule == StepRule::square) work /= 3;      // forward only
    if (attack.form.kind == AttackForm::Kind::maxAverage) work = 1;  // chooses among what was done before
    return attack.onlySurvivors ? work / 3 : work;
  }

  int64_t batches_;
  std::vector<double> work_, spent_;
  std::vector<int64_t> times_, left_;
};

// The files of one row in the folder of an evaluation.
struct Journals {
  std::optional<BatchJournal> scores, images;
};

}  // namespace

struct Evaluator::Parts {
  EvaluatorOptions options;
  torch::Device device;
  DeviceImages images;
  std::shared_ptr<GraphModule> module;
  nlohmann::json identity;  // of model and data
  int64_t imageSize = 0;

  int64_t total() const {
    return options.limit > 0 ? std::min(options.limit, images.count()) : images.count();
  }
  Journals journals(const std::string& row, const nlohmann::json& settings) const;
  Tensor attacked(const Attack& attack, const graph::ExitRule& rule, const Batch& batch, int64_t first,
                  const std::vector<Tensor>& singles);
  void saveInputs(const std::vector<std::string>& rows, const std::vector<Journals>& journals,
                  const std::vector<AttackedScores>& results) const;
};

Evaluator::Evaluator(const onnx::ModelProto& model, const ImageSet& images, const EvaluatorOptions& options) {
  if (options.batchSize < 1)
    throw Error(text("--batch-size: found ", options.batchSize, ", expected 1 or more"));
  if (options.limit < 0) throw Error(text("--limit: found ", options.limit, ", expected 1 or more images"));
  const torch::Device device = useDevice(options.device, options.threads);
  GraphModuleOptions moduleOptions;
  const auto module = namingTheModel(options.modelName, [&] {
    moduleOptions.logProbabilities = givesProbabilities(model);
    // As it is deployed: BatchNormalization folded into the convolutions, which is faster too.
    onnx::ModelProto folded = model;
    graph::simplify(folded);
    return std::make_shared<GraphModule>(folded, moduleOptions);
  });
  module->to(device);
  module->eval();
  const std::string graph = model.graph().SerializeAsString();
  uint64_t pixels = hashOf(reinterpret_cast<const char*>(images.pixels.data()), images.pixels.size());
  pixels = hashOf(reinterpret_cast<const char*>(images.labels.data()), images.labels.size(), pixels);
  const nlohmann::json identity = {{"model", hexadecimal(hashOf(graph.data(), graph.size()))},
                                   {"images", hexadecimal(pixels)},
                                   {"seed", options.seed},
                                   {"batch_size", options.batchSize}};
  parts_.reset(
      new Parts{options, device, DeviceImages(images, device), module, identity, images.imageSize()});
}

Evaluator::~Evaluator() = default;

int64_t Evaluator::imageCount() const { return parts_->total(); }

Journals Evaluator::Parts::journals(const std::string& row, const nlohmann::json& settings) const {
  Journals result;
  if (options.folder.empty()) return result;
  nlohmann::json mine = identity;
  mine["row"] = row;
  mine.update(settings);
  const std::string path = options.folder + "/batches/" + savedName(row);
  result.scores.emplace(path + ".scores", mine);
  mine["saved"] = options.saveInputs ? "all images" : text("the first ", kSheetImages, " images");
  result.images.emplace(path + ".images", mine);
  return result;
}

Tensor Evaluator::Parts::attacked(const Attack& attack, const graph::ExitRule& rule, const Batch& batch,
                                  int64_t first, const std::vector<Tensor>& singles) {
  const std::string draw = text(options.seed, "/", attack.name, "/", first);
  torch::Generator generator = makeGenerator(device, hashOf(draw.data(), draw.size()));
  return attackUnderRule(*module, batch.images, batch.labels, attack.options, attack.form, rule, generator,
                         singles);
}

std::optional<std::vector<AttackedScores>> Evaluator::run(const std::vector<Attack>& attacks,
                                                          const graph::ExitRule& rule,
                                                          const EvaluatorHooks& hooks) {
  Parts& my = *parts_;
  const size_t exits = my.module->exitCount();
  const int64_t total = my.total(), batchSize = my.options.batchSize;
  if (!my.options.folder.empty()) {
    std::error_code problem;
    std::filesystem::create_directories(my.options.folder + "/batches", problem);
    if (problem)
      throw Error(
          text(my.options.folder, ": cannot be made a folder for the results (", problem.message(), ")"));
  }
  std::vector<std::string> names = {"clean"};
  std::vector<Journals> journals;
  journals.push_back(my.journals("clean", nlohmann::json::object()));
  bool knowsBroken = false;  // whether earlier rows decide what a row attacks
  for (const Attack& attack : attacks) {
    nlohmann::json settings = {{"attack", attack.settings(exits)}};
    knowsBroken = knowsBroken || attack.onlySurvivors;
    if (attack.dependsOnRule(rule.fusion)) settings["rule"] = toJson(rule);
    if (attack.onlySurvivors) settings["after"] = names;
    names.push_back(attack.name);
    journals.push_back(my.journals(attack.name, settings));
  }

  std::vector<AttackedScores> results(names.size());
  for (AttackedScores& result : results) {
    result.table.exitCount = static_cast<int>(exits);
    result.table.count = total;
    result.attacked.resize(static_cast<size_t>(total));
  }
  TimeLeft timeLeft(attacks, (total + batchSize - 1) / batchSize);

  for (int64_t first = 0; first < total; first += batchSize) {
    const Batch batch = my.images.range(first, std::min(batchSize, total - first));
    const int64_t count = batch.labels.size(0);
    // The single attacks of this batch, by settings and exit: what max-average chooses from.
    std::map<std::string, std::vector<Tensor>> singles;
    std::vector<float> cleanScores;
    std::vector<uint8_t> isBroken(static_cast<size_t>(count));

    for (size_t row = 0; row < names.size(); ++row) {
      const bool isClean = row == 0;
      const Attack* attack = isClean ? nullptr : &attacks[row - 1];
      BatchJournal::Record record, pictures;
      const BatchJournal::Record* known =
          journals[row].scores && (!my.options.saveInputs || journals[row].images->find(first) != nullptr)
              ? journals[row].scores->find(first)
              : nullptr;
      if (known != nullptr) {
        record = *known;
        if (!isClean) timeLeft.wasKnown(row - 1);
        if (first == 0)
          if (const auto* found = journals[row].images->find(first)) pictures = *found;
      } else {
        const auto start = Clock::now();
        record.flags.assign(static_cast<size_t>(count), 1);
        Tensor moved = batch.images;
        std::vector<int64_t> places(static_cast<size_t>(count));
        std::iota(places.begin(), places.end(), 0);
        if (!isClean && attack->onlySurvivors) {
          places.clear();
          for (size_t i = 0; i < isBroken.size(); ++i)
            if (isBroken[i] == 0) places.push_back(static_cast<int64_t>(i));
          std::transform(isBroken.begin(), isBroken.end(), record.flags.begin(),
                         [](uint8_t broken) { return static_cast<uint8_t>(broken == 0); });
        }
        if (!isClean && !places.empty()) {
          if (static_cast<int64_t>(places.size()) == count) {
            const nlohmann::json settings = attack->settings(exits);
            nlohmann::json key = settings;
            key.erase("form");
            std::vector<Tensor>& group = singles[key.dump()];
            const bool isComplete =
                group.size() == exits &&
                std::all_of(group.begin(), group.end(), [](const Tensor& t) { return t.defined(); });
            moved = my.attacked(*attack, rule, batch, first,
                                attack->form.kind == AttackForm::Kind::maxAverage && isComplete
                                    ? group
                                    : std::vector<Tensor>());
            if (attack->form.kind == AttackForm::Kind::single) {
              group.resize(exits);
              group[attack->form.exit] = moved;
            }
          } else {
            const Tensor index = torch::tensor(places, torch::kInt64).to(my.device);
            const Batch part{batch.images.index_select(0, index), batch.labels.index_select(0, index)};
            moved = batch.images.index_copy(0, index, my.attacked(*attack, rule, part, first, {}));
          }
        }
        record.values = scoresOf(*my.module, moved);
        record.seconds = std::chrono::duration<double>(Clock::now() - start).count();
        const int64_t kept = my.options.saveInputs ? count : first == 0 ? std::min(count, kSheetImages) : 0;
        if (kept > 0) pictures.values = toFloats(moved.narrow(0, 0, kept));
        if (journals[row].scores) {
          if (kept > 0) journals[row].images->append(first, pictures);
          journals[row].scores->append(first, record);
        }
        if (!isClean) timeLeft.wasDone(row - 1, record.seconds);
      }

      AttackedScores& result = results[row];
      result.table.classCount = static_cast<int>(record.values.size() / static_cast<size_t>(count) / exits);
      result.table.values.insert(result.table.values.end(), record.values.begin(), record.values.end());
      const Tensor labels = batch.labels.to(torch::kCPU, torch::kUInt8).contiguous();
      result.table.labels.insert(result.table.labels.end(), labels.data_ptr<uint8_t>(),
                                 labels.data_ptr<uint8_t>() + count);
      std::copy(record.flags.begin(), record.flags.end(), result.attacked.begin() + first);
      result.seconds += record.seconds;
      if (first == 0) {
        const size_t most = static_cast<size_t>(std::min(count, kSheetImages) * my.imageSize);
        result.firstImages.assign(
            pictures.values.begin(),
            pictures.values.begin() + static_cast<std::ptrdiff_t>(std::min(most, pictures.values.size())));
      }
      if (knowsBroken && (isClean || attack->inBall)) {
        ScoreTable part = result.table;
        part.count = count;
        part.values = record.values;
        part.labels.assign(labels.data_ptr<uint8_t>(), labels.data_ptr<uint8_t>() + count);
        const std::vector<bool> right = applyRule(part, rule).right;
        for (size_t i = 0; i < isBroken.size(); ++i)
          isBroken[i] = static_cast<uint8_t>(isBroken[i] != 0 || !right[i]);
      }
      if (hooks.progress && !isClean) hooks.progress(*attack, first, timeLeft.seconds());
      if (hooks.stop && hooks.stop()) return {};
    }
  }
  if (my.options.saveInputs && !my.options.folder.empty()) my.saveInputs(names, journals, results);
  return results;
}

void Evaluator::Parts::saveInputs(const std::vector<std::string>& rows, const std::vector<Journals>& journals,
                                  const std::vector<AttackedScores>& results) const {
  std::filesystem::create_directories(options.folder + "/inputs");
  const Tensor one = images.range(0, 1).images;
  for (size_t row = 0; row < rows.size(); ++row) {
    const SavedInputs files = savedInputs(options.folder, rows[row]);
    NpyWriter<float> inputs(files.images, one.sizes().slice(1).vec());
    for (int64_t first = 0; first < total(); first += options.batchSize) {
      const std::vector<float>& values = journals[row].images->find(first)->values;
      inputs.append(values.data(), static_cast<int64_t>(values.size()) / imageSize);
    }
    inputs.finish();
    const ScoreTable& table = results[row].table;
    NpyWriter<float> scores(files.scores, {table.exitCount, table.classCount});
    scores.append(table.values.data(), table.count);
    scores.finish();
  }
  NpyWriter<uint8_t> labels(savedLabels(options.folder), {});
  labels.append(results[0].table.labels.data(), results[0].table.count);
  labels.finish();
}

}  // namespace rdi::train
