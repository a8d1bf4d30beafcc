// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/evaluator.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <numeric>

#include "graph/error.hpp"
#include "trainer/attacks.hpp"
#include "trainer/batch_journal.hpp"
#include "trainer/device.hpp"
#include "trainer/device_images.hpp"
#include "trainer/evaluation_module.hpp"
#include "trainer/graph_module.hpp"
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

// One row of the evaluation while it grows.
struct Row {
  std::string name;
  const Attack* attack = nullptr;  // none: the clean images
  std::optional<BatchJournal> scores, images;
  AttackedScores result;
};

// What the rows of one batch share.
struct BatchState {
  Batch batch;
  int64_t first = 0;
  std::vector<uint8_t> labels, isBroken;
  std::map<std::string, std::vector<Tensor>> singles;  // single attacks by settings and exit, for max-average

  int64_t count() const { return static_cast<int64_t>(labels.size()); }
};

// Scores of a batch under one attack, and the attacked images that are kept.
struct Found {
  BatchJournal::Record scores, images;
};

// Settings by which single attacks are those that max-average chooses from.
std::string withoutForm(const Attack& attack, size_t exits) {
  nlohmann::json settings = attack.settings(exits);
  settings.erase("form");
  return settings.dump();
}

}  // namespace

struct Evaluator::Parts {
  EvaluatorOptions options;
  torch::Device device;
  DeviceImages images;
  std::shared_ptr<GraphModule> module;
  nlohmann::json identity;  // of model and data
  int64_t imageSize = 0;

  size_t exits() const { return module->exitCount(); }
  int64_t total() const {
    return options.limit > 0 ? std::min(options.limit, images.count()) : images.count();
  }
  std::vector<Row> rowsFor(const std::vector<Attack>& attacks, const graph::ExitRule& rule) const;
  BatchState batchAt(int64_t first) const;
  std::optional<Found> known(const Row& row, const BatchState& state) const;
  Found compute(Row& row, BatchState& state, const graph::ExitRule& rule);
  Tensor attacked(const Attack& attack, BatchState& state, const graph::ExitRule& rule);
  void add(Row& row, const BatchState& state, const Found& found) const;
  void markBroken(const Found& found, BatchState& state, const graph::ExitRule& rule) const;
  void saveInputs(const std::vector<Row>& rows) const;
};

Evaluator::Evaluator(const onnx::ModelProto& model, const ImageSet& images, const EvaluatorOptions& options) {
  if (options.batchSize < 1)
    throw Error(text("--batch-size: found ", options.batchSize, ", expected 1 or more"));
  if (options.limit < 0) throw Error(text("--limit: found ", options.limit, ", expected 1 or more images"));
  const torch::Device device = useDevice(options.device, options.threads);
  const auto module = evaluationModule(model, options.modelName, device);
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

std::vector<Row> Evaluator::Parts::rowsFor(const std::vector<Attack>& attacks,
                                           const graph::ExitRule& rule) const {
  std::vector<Row> rows;
  std::vector<std::string> before;
  const auto add = [&](const std::string& name, const Attack* attack, const nlohmann::json& settings) {
    Row row;
    row.name = name;
    row.attack = attack;
    row.result.table.exitCount = static_cast<int>(exits());
    row.result.table.count = total();
    if (!options.folder.empty()) {
      nlohmann::json mine = identity;
      mine["row"] = name;
      mine.update(settings);
      const std::string path = options.folder + "/batches/" + savedName(name);
      row.scores.emplace(path + ".scores", mine);
      mine["saved"] = options.saveInputs ? "all images" : text("the first ", kSheetImages, " images");
      row.images.emplace(path + ".images", mine);
    }
    rows.push_back(std::move(row));
    before.push_back(name);
  };
  add("clean", nullptr, nlohmann::json::object());
  for (const Attack& attack : attacks) {
    nlohmann::json settings = {{"attack", attack.settings(exits())}};
    if (attack.dependsOnRule(rule.fusion)) settings["rule"] = toJson(rule);
    if (attack.onlySurvivors) settings["after"] = before;
    add(attack.name, &attack, settings);
  }
  return rows;
}

BatchState Evaluator::Parts::batchAt(int64_t first) const {
  BatchState state;
  state.first = first;
  state.batch = images.range(first, std::min(options.batchSize, total() - first));
  const Tensor labels = state.batch.labels.to(torch::kCPU, torch::kUInt8).contiguous();
  state.labels.assign(labels.data_ptr<uint8_t>(), labels.data_ptr<uint8_t>() + labels.numel());
  state.isBroken.resize(state.labels.size());
  return state;
}

std::optional<Found> Evaluator::Parts::known(const Row& row, const BatchState& state) const {
  if (!row.scores || !row.scores->has(state.first)) return {};
  const bool needsPictures = options.saveInputs || state.first == 0;
  if (needsPictures && !row.images->has(state.first)) return {};
  Found found;
  found.scores = row.scores->read(state.first);
  if (found.scores.flags.size() != state.labels.size()) return {};  // of a batch that another limit cut short
  if (state.first == 0) found.images = row.images->read(0);
  return found;
}

Tensor Evaluator::Parts::attacked(const Attack& attack, BatchState& state, const graph::ExitRule& rule) {
  const auto run = [&](const AttackForm& form, const Batch& batch, const std::vector<Tensor>& singles) {
    const std::string draw =
        text(options.seed, "/", attack.method, " ", form.name(exits()), "/", state.first);
    torch::Generator generator = makeGenerator(device, hashOf(draw.data(), draw.size()));
    return attackUnderRule(*module, batch.images, batch.labels, attack.options, form, rule, generator,
                           singles);
  };
  if (attack.onlySurvivors) {
    const Tensor isBroken = torch::tensor(std::vector<int64_t>(state.isBroken.begin(), state.isBroken.end()));
    const Tensor places = (isBroken == 0).nonzero().squeeze(1).to(device);
    if (places.size(0) == 0) return state.batch.images;
    const Batch part{state.batch.images.index_select(0, places), state.batch.labels.index_select(0, places)};
    return state.batch.images.index_copy(0, places, run(attack.form, part, {}));
  }
  // Max-average chooses among the very single attacks that have rows of their own.
  using Kind = AttackForm::Kind;
  if (attack.form.kind != Kind::single && attack.form.kind != Kind::maxAverage)
    return run(attack.form, state.batch, {});
  std::vector<Tensor>& singles = state.singles[withoutForm(attack, exits())];
  singles.resize(exits());
  const auto single = [&](size_t k) {
    if (!singles[k].defined()) singles[k] = run({Kind::single, k}, state.batch, {});
    return singles[k];
  };
  if (attack.form.kind == Kind::single) return single(attack.form.exit);
  for (size_t k = 0; k < exits(); ++k) single(k);
  return run(attack.form, state.batch, singles);
}

Found Evaluator::Parts::compute(Row& row, BatchState& state, const graph::ExitRule& rule) {
  const auto start = Clock::now();
  Found found;
  found.scores.flags.assign(state.labels.size(), 1);
  if (row.attack != nullptr && row.attack->onlySurvivors)
    for (size_t i = 0; i < state.isBroken.size(); ++i) found.scores.flags[i] = state.isBroken[i] == 0;
  const Tensor moved = row.attack == nullptr ? state.batch.images : attacked(*row.attack, state, rule);
  found.scores.values = scoresOf(*module, moved);
  found.scores.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const int64_t kept = options.saveInputs ? state.count()
                       : state.first == 0 ? std::min(state.count(), kSheetImages)
                                          : 0;
  if (kept > 0) found.images.values = toFloats(moved.narrow(0, 0, kept));
  if (row.scores) {
    if (kept > 0) row.images->append(state.first, found.images);
    row.scores->append(state.first, found.scores);
  }
  return found;
}

void Evaluator::Parts::add(Row& row, const BatchState& state, const Found& found) const {
  const auto append = [](auto& whole, const auto& part) {
    whole.insert(whole.end(), part.begin(), part.end());
  };
  AttackedScores& result = row.result;
  result.table.classCount = static_cast<int>(found.scores.values.size() / state.labels.size() / exits());
  append(result.table.values, found.scores.values);
  append(result.table.labels, state.labels);
  append(result.attacked, found.scores.flags);
  result.seconds += found.scores.seconds;
  if (state.first > 0) return;
  result.firstImages = found.images.values;
  result.firstImages.resize(static_cast<size_t>(std::min(state.count(), kSheetImages) * imageSize));
}

void Evaluator::Parts::markBroken(const Found& found, BatchState& state, const graph::ExitRule& rule) const {
  ScoreTable table;
  table.exitCount = static_cast<int>(exits());
  table.count = state.count();
  table.values = found.scores.values;
  table.labels = state.labels;
  table.classCount = static_cast<int>(table.values.size() / table.labels.size() / exits());
  const std::vector<bool> right = applyRule(table, rule).right;
  for (size_t i = 0; i < right.size(); ++i)
    if (!right[i]) state.isBroken[i] = 1;
}

std::optional<std::vector<AttackedScores>> Evaluator::run(const std::vector<Attack>& attacks,
                                                          const graph::ExitRule& rule,
                                                          const EvaluatorHooks& hooks) {
  Parts& my = *parts_;
  if (!my.options.folder.empty()) {
    std::error_code problem;
    std::filesystem::create_directories(my.options.folder + "/batches", problem);
    if (problem)
      throw Error(
          text(my.options.folder, ": cannot be made a folder for the results (", problem.message(), ")"));
  }
  std::vector<Row> rows = my.rowsFor(attacks, rule);
  const int64_t batches = (my.total() + my.options.batchSize - 1) / my.options.batchSize;
  TimeLeft timeLeft(attacks, batches);
  for (int64_t first = 0; first < my.total(); first += my.options.batchSize) {
    BatchState state = my.batchAt(first);
    for (size_t r = 0; r < rows.size(); ++r) {
      Row& row = rows[r];
      std::optional<Found> found = my.known(row, state);
      if (found) {
        if (row.attack != nullptr) timeLeft.wasKnown(r - 1);
      } else {
        found = my.compute(row, state, rule);
        if (row.attack != nullptr) timeLeft.wasDone(r - 1, found->scores.seconds);
      }
      my.add(row, state, *found);
      if (row.attack == nullptr || row.attack->inBall) my.markBroken(*found, state, rule);
      if (hooks.progress && row.attack != nullptr) hooks.progress(*row.attack, first, timeLeft.seconds());
      if (hooks.stop && hooks.stop()) return {};
    }
  }
  if (my.options.saveInputs && !my.options.folder.empty()) my.saveInputs(rows);
  std::vector<AttackedScores> results;
  for (Row& row : rows) results.push_back(std::move(row.result));
  return results;
}

void Evaluator::Parts::saveInputs(const std::vector<Row>& rows) const {
  std::filesystem::create_directories(options.folder + "/inputs");
  const std::vector<int64_t> shape = images.range(0, 1).images.sizes().slice(1).vec();
  for (const Row& row : rows) {
    const SavedInputs files = savedInputs(options.folder, row.name);
    NpyWriter<float> inputs(files.images, shape);
    for (int64_t first = 0; first < total(); first += options.batchSize) {
      const std::vector<float> values = row.images->read(first).values;
      inputs.append(values.data(), static_cast<int64_t>(values.size()) / imageSize);
    }
    inputs.finish();
    const ScoreTable& table = row.result.table;
    NpyWriter<float> scores(files.scores, {table.exitCount, table.classCount});
    scores.append(table.values.data(), table.count);
    scores.finish();
  }
  NpyWriter<uint8_t> labels(savedLabels(options.folder), {});
  labels.append(rows[0].result.table.labels.data(), rows[0].result.table.count);
  labels.finish();
}

}  // namespace rdi::train
