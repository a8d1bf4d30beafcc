// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <dnnl.hpp>
#include <limits>
#include <map>
#include <utility>

#include "graph/error.hpp"
#include "layers/engine/buffers.hpp"
#include "layers/engine/dnnl_primitives.hpp"
#include "layers/engine/layout.hpp"
#include "layers/engine/lowering.hpp"
#include "layers/engine/precision.hpp"
#include "layers/engine/stage_engine.hpp"
#include "layers/engine/thread_choice.hpp"
#include "layers/engine/thread_scope.hpp"

namespace rdi::engine {
namespace {

using Role = PrimitiveArgument::Role;

using Clock = std::chrono::steady_clock;

constexpr size_t kAlignment = 64;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Zeroed bytes at an address that suits the widest vectors.
class AlignedBytes {
public:
  explicit AlignedBytes(size_t size = 0) {
    if (size == 0) return;
    const size_t whole = (size + kAlignment - 1) / kAlignment * kAlignment;
    bytes_.reset(static_cast<unsigned char*>(std::aligned_alloc(kAlignment, whole)));
    if (!bytes_) throw std::bad_alloc();
    std::memset(bytes_.get(), 0, whole);
  }
  unsigned char* data() const { return bytes_.get(); }

private:
  struct Free {
    void operator()(unsigned char* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<unsigned char, Free> bytes_;
};

/// What every compilation of a program shares: the plan and the packed weights.
struct Stage {
  Program program;
  BufferPlan plan;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  struct Constants {
    AlignedBytes weightBytes, biasBytes;
    dnnl::memory weights, bias;  // bias: also the constant operand of a binary operation
  };
  std::vector<Constants> constants;  // one an operation
};

/// One operation of a variant; `threadCount` is what OpenMP must be set to while it runs.
struct Step {
  CompiledPrimitive compiled;  // empty for operations that only move bytes
  int threadCount = 1;
};

/// The program compiled for a number of threads.
struct Variant {
  size_t scratchBytes = 0;
  std::vector<Step> steps;
};

/// Memory and prepared calls of one row at a time.
class Workspace {
public:
  enum Way : size_t { kSingle = 0, kSeveral = 1 };

  /// `several` may be null: then every row runs on one thread.
  Workspace(const Stage& stage, const Variant& single, const Variant* several)
      : stage_(stage),
        ways_{&single, several},
        arena_(stage.plan.arenaBytes),
        scratch_(std::max(single.scratchBytes, several == nullptr ? 0 : several->scratchBytes)),
        stream_(stage.engine),
        external_(stage.program.inputs.size() + stage.program.outputs.size()),
        externalData_(external_.size(), nullptr),
        single_(single.steps.size(), false) {
    if (several != nullptr)
      for (size_t i = 0; i < single_.size(); ++i) single_[i] = several->steps[i].threadCount == 1;
    for (size_t way = 0; way < 2; ++way) {
      if (ways_[way] == nullptr) continue;
      const std::vector<Step>& steps = ways_[way]->steps;
      calls_[way].resize(steps.size());
      for (size_t i = 0; i < steps.size(); ++i)
        for (const PrimitiveArgument& argument : steps[i].compiled.arguments) {
          const dnnl_memory_t memory = memoryOf(argument, stage.constants[i]);
          if (memory != nullptr) calls_[way][i].push_back({argument.name, memory});
        }
    }
  }

  /// Says where the row's inputs and outputs are.
  void bind(const float* const* inputs, float* const* outputs) {
    const size_t inputCount = stage_.program.inputs.size();
    for (size_t i = 0; i < external_.size(); ++i) {
      // oneDNN takes every handle as writable; a primitive only reads its sources.
      externalData_[i] = i < inputCount ? const_cast<float*>(inputs[i]) : outputs[i - inputCount];
      for (const dnnl_memory_t memory : external_[i])
        check(dnnl_memory_set_data_handle(memory, externalData_[i]));
    }
  }

  void runOnOneThread() { runFrom(0); }

  /// Runs on several threads, and what is left after `patience` seconds on one.
  void runOnSeveralThreads(double patience) {
    const std::vector<Step>& steps = ways_[1]->steps;
    const auto start = Clock::now();
    size_t next = 0;
    while (next < steps.size()) {
      const Way way = wayOf(next);
      const ThreadScope threads(way == kSingle ? 1 : steps[next].threadCount);
      for (; next < steps.size() && wayOf(next) == way; ++next) {
        if (secondsSince(start) > patience) return runFrom(next);
        runStep(way, next);
      }
    }
  }

  /// From now on, runOnSeveralThreads runs this operation on one.
  void keepOnOneThread(size_t index) { single_[index] = true; }

  /// Runs one operation on whatever its tensors hold.
  void runStep(Way way, size_t index) {
    const Operation& operation = stage_.program.operations[index];
    if (operation.copiesAddend)
      std::memcpy(dataOf(operation.destination), dataOf(operation.addend), bytesOf(operation.destination));
    if (!isPrimitive(operation.kind)) return moveBytes(operation);
    const std::vector<dnnl_exec_arg_t>& call = calls_[way][index];
    check(dnnl_primitive_execute(ways_[way]->steps[index].compiled.primitive.get(), stream_.get(),
                                 static_cast<int>(call.size()), call.data()));
  }

  float* dataOf(int tensor) {
    const Place& place = stage_.plan.places[static_cast<size_t>(tensor)];
    if (place.storage == Storage::arena) return reinterpret_cast<float*>(arena_.data() + place.offset);
    return externalData_[externalIndex(place)];
  }

  size_t bytesOf(int tensor) const { return stage_.program.tensors[static_cast<size_t>(tensor)].byteCount(); }

private:
  static void check(dnnl_status_t status) {
    if (status != dnnl_success)
      throw Error(text("oneDNN failed to run a stage (status ", static_cast<int>(status), ")"));
  }

  void runFrom(size_t first) {
    const ThreadScope threads(1);
    for (size_t i = first; i < ways_[0]->steps.size(); ++i) runStep(kSingle, i);
  }

  void moveBytes(const Operation& operation) {
    const Tensor& source = stage_.program.tensors[static_cast<size_t>(operation.sources[0])];
    const float* const from = dataOf(operation.sources[0]);
    float* const to = dataOf(operation.destination);
    const auto channels = static_cast<size_t>(source.channels()),
               pixels = static_cast<size_t>(source.pixels());
    if (operation.kind == OperationKind::toChannelsLast)
      toChannelsLast(from, channels, pixels, to);
    else if (operation.kind == OperationKind::toChannelsFirst)
      toChannelsFirst(from, channels, pixels, to);
    else if (operation.kind == OperationKind::excerpt)
      copyBox(operation, from, to);
    else
      std::memcpy(to, from, bytesOf(operation.destination));
  }

  void copyBox(const Operation& operation, const float* from, float* to) const {
    // ONNX's N, C, H, W (or N, C) as memory holds it.
    const auto inMemory = [](const std::vector<int64_t>& axes, int64_t missing) {
      return axes.size() == 4 ? Extents{axes[2], axes[3], axes[1]} : Extents{missing, missing, axes[1]};
    };
    const auto& tensors = stage_.program.tensors;
    const graph::Box& box = operation.box;
    copyExcerpt(from, inMemory(tensors[static_cast<size_t>(operation.sources[0])].shape, 1),
                inMemory(box.begin, 0), inMemory(box.step, 1), box.fill,
                inMemory(tensors[static_cast<size_t>(operation.destination)].shape, 1), to);
  }

  Way wayOf(size_t index) const { return single_[index] ? kSingle : kSeveral; }

  size_t externalIndex(const Place& place) const {
    return static_cast<size_t>(place.index) +
           (place.storage == Storage::output ? stage_.program.inputs.size() : 0);
  }

  dnnl_memory_t memoryOf(const PrimitiveArgument& argument, const Stage::Constants& constants) {
    switch (argument.role) {
      case Role::weights:
        return constants.weights.get();
      case Role::bias:
      case Role::operand:
        return constants.bias.get();
      case Role::scale:
        // oneDNN takes every handle as writable; it only reads scales.
        memories_.emplace_back(argument.desc, stage_.engine, const_cast<float*>(argument.values.data()));
        return memories_.back().get();
      case Role::scratch:
        if (argument.desc.get_size() == 0) return nullptr;
        memories_.emplace_back(argument.desc, stage_.engine, scratch_.data());
        return memories_.back().get();
      case Role::tensor:
        break;
    }
    const Place& place = stage_.plan.places[static_cast<size_t>(argument.tensor)];
    const bool inArena = place.storage == Storage::arena;
    memories_.emplace_back(argument.desc, stage_.engine, inArena ? arena_.data() + place.offset : nullptr);
    if (!inArena) external_[externalIndex(place)].push_back(memories_.back().get());
    return memories_.back().get();
  }

  const Stage& stage_;
  const Variant* ways_[2];  // by Way
  AlignedBytes arena_, scratch_;
  dnnl::stream stream_;
  std::vector<dnnl::memory> memories_;                  // owners of what calls_ and external_ point to
  std::vector<std::vector<dnnl_exec_arg_t>> calls_[2];  // by way, then operation
  std::vector<std::vector<dnnl_memory_t>> external_;    // by graph input, then graph output
  std::vector<float*> externalData_;                    // the row's data, in the same order
  std::vector<bool> single_;                            // operations that several threads do not share
};

/// Values like those of a picture, all with full mantissas; the same every time.
void fillWithProbe(std::vector<float>& values) {
  uint32_t state = 0x9e3779b9u;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / 16777216.0f;
  }
}

/// Runs a made-up row operation by operation, each one both ways: oneDNN may divide the sums of an operation
/// differently for each number of threads, which would change last bits, and a row must not depend on who
/// computed it.
class Comparison {
public:
  Comparison(const Stage& stage, const Variant& single, const Variant& several)
      : stage_(stage), several_(several), workspace_(stage, single, &several) {
    const auto count = [&](int index) {
      return static_cast<size_t>(stage.program.tensors[static_cast<size_t>(index)].elementCount());
    };
    for (const int index : stage.program.inputs) {
      inputs_.emplace_back(count(index));
      fillWithProbe(inputs_.back());
    }
    for (const int index : stage.program.outputs) outputs_.emplace_back(count(index));
    std::vector<const float*> from;
    std::vector<float*> to;
    for (const auto& values : inputs_) from.push_back(values.data());
    for (auto& values : outputs_) to.push_back(values.data());
    workspace_.bind(from.data(), to.data());
    size_t largest = 0;
    for (const Operation& operation : stage.program.operations)
      largest = std::max(largest, workspace_.bytesOf(operation.destination));
    before_.resize(largest);
    split_.resize(largest);
    differs_.resize(several.steps.size(), false);
  }

  bool done() const { return next_ == several_.steps.size(); }

  /// Compares operations until `seconds` are over, at least one. Returns how many times longer they took on
  /// several threads than on one.
  double run(double seconds) {
    const auto start = Clock::now();
    double taken[2] = {0, 0};  // by Way
    do compareNext(taken);
    while (!done() && secondsSince(start) < seconds);
    return taken[Workspace::kSingle] > 0 ? taken[Workspace::kSeveral] / taken[Workspace::kSingle] : 1;
  }

  void keepOnOneThreadWhatDiffers(Workspace& workspace) const {
    for (size_t i = 0; i < differs_.size(); ++i)
      if (differs_[i]) workspace.keepOnOneThread(i);
  }

private:
  void compareNext(double (&taken)[2]) {
    const size_t index = next_++;
    const int destination = stage_.program.operations[index].destination;
    const size_t bytes = workspace_.bytesOf(destination);
    float* const result = workspace_.dataOf(destination);
    const int threadCount = several_.steps[index].threadCount;
    if (threadCount > 1) {
      std::memcpy(before_.data(), result, bytes);  // the addend may live here
      taken[Workspace::kSeveral] += timeOf(Workspace::kSeveral, index, threadCount);
      std::memcpy(split_.data(), result, bytes);
      std::memcpy(result, before_.data(), bytes);
    }
    const double single = timeOf(Workspace::kSingle, index, 1);
    if (threadCount == 1) return;
    taken[Workspace::kSingle] += single;
    differs_[index] = std::memcmp(split_.data(), result, bytes) != 0;
  }

  double timeOf(Workspace::Way way, size_t index, int threadCount) {
    const ThreadScope threads(threadCount);
    const auto start = Clock::now();
    workspace_.runStep(way, index);
    return secondsSince(start);
  }

  const Stage& stage_;
  const Variant& several_;
  Workspace workspace_;
  std::vector<std::vector<float>> inputs_, outputs_;
  std::vector<unsigned char> before_, split_;
  std::vector<bool> differs_;  // by operation
  size_t next_ = 0;
};

class OneDnnEngine : public StageEngine {
public:
  OneDnnEngine(const onnx::ModelProto& model, const std::vector<Layout>& inputLayouts,
               graph::Precision precision, RowSplit rowSplit)
      : rowSplit_(rowSplit) {
    stage_.program = lower(model, inputLayouts);
    lowerPrecision(stage_.program, inputLayouts, precision, graph::readRanges(model));
    stage_.plan = planBuffers(stage_.program);
    compileForOneThread();
  }

  void prepare(int slotCount, int threadCount) override {
    while (slots_.size() < static_cast<size_t>(slotCount))
      slots_.push_back(std::make_unique<Workspace>(stage_, single_, nullptr));
    if (threadCount == 1) {
      several_ = nullptr;
      return;
    }
    auto& several = byThreads_[threadCount];
    if (!several) several = std::make_unique<Several>(stage_, single_, compileForThreads(threadCount));
    several_ = several.get();
  }

  void runRow(int slot, const float* const* inputs, float* const* outputs) override {
    const DenormalScope denormals;
    Workspace& workspace = *slots_[static_cast<size_t>(slot)];
    workspace.bind(inputs, outputs);
    workspace.runOnOneThread();
  }

  void runSingleRow(const float* const* inputs, float* const* outputs) override {
    if (several_ == nullptr) return runRow(0, inputs, outputs);
    const DenormalScope denormals;
    several_->workspace.bind(inputs, outputs);
    if (rowSplit_ == RowSplit::always) {
      while (several_->comparison) several_->compare();
      return several_->workspace.runOnSeveralThreads(std::numeric_limits<double>::infinity());
    }
    bool tries = several_->choice.several();
    if (tries && several_->comparison) {
      several_->compare();
      tries = false;
    }
    const auto start = Clock::now();
    if (tries)
      several_->workspace.runOnSeveralThreads(several_->choice.patience());
    else
      several_->workspace.runOnOneThread();
    several_->choice.record(tries, secondsSince(start));
  }

private:
  /// What single rows on a number of threads need.
  struct Several {
    Several(const Stage& stage, const Variant& single, Variant compiled)
        : variant(std::move(compiled)),
          workspace(stage, single, &variant),
          comparison(std::make_unique<Comparison>(stage, single, variant)) {}

    /// Goes on comparing for about as long as a row may take; the time it took says whether trying is worth
    /// it.
    void compare() {
      const double slowdown = comparison->run(choice.patience());
      if (slowdown > ThreadChoice::kPatience) choice.record(true, slowdown * choice.patience());
      if (!comparison->done()) return;
      comparison->keepOnOneThreadWhatDiffers(workspace);
      comparison = nullptr;
    }

    Variant variant;
    Workspace workspace;
    std::unique_ptr<Comparison> comparison;  // null when it is done
    ThreadChoice choice;
  };

  void compileForOneThread() {
    const ThreadScope threads(1);
    for (Operation& operation : stage_.program.operations) {
      Step step;
      Stage::Constants constants;
      if (isPrimitive(operation.kind)) {
        const bool weighted = !operation.weights.empty();
        if (weighted && operation.bias.empty())
          operation.bias.assign(static_cast<size_t>(tensor(operation.destination).channels()), 0.0f);
        step.compiled = compilePrimitive(operation, stage_.program, stage_.engine);
        if (weighted) packWeights(operation, *step.compiled.find(Role::weights), constants);
        if (const PrimitiveArgument* operand = step.compiled.find(Role::operand))
          keepBias(operation.operand, operand->desc, constants);
        operation.weights = {};
        operation.operand = {};
      }
      single_.scratchBytes = std::max(single_.scratchBytes, step.compiled.scratchBytes);
      single_.steps.push_back(std::move(step));
      stage_.constants.push_back(std::move(constants));
    }
  }

  void packWeights(Operation& operation, const PrimitiveArgument& wanted, Stage::Constants& constants) {
    std::vector<int8_t> eightBits;
    void* values = operation.weights.data();
    if (!operation.weightScales.empty()) {
      for (const float value : operation.weights) eightBits.push_back(static_cast<int8_t>(value));
      values = eightBits.data();
    }
    dnnl::memory plain(plainWeights(operation, stage_.program), stage_.engine, values);
    constants.weightBytes = AlignedBytes(wanted.desc.get_size());
    constants.weights = dnnl::memory(wanted.desc, stage_.engine, constants.weightBytes.data());
    dnnl::stream stream(stage_.engine);
    dnnl::reorder(plain, constants.weights).execute(stream, plain, constants.weights);
    stream.wait();
    keepBias(biasToAdd(operation, stage_.program), plainBias(operation), constants);
  }

  void keepBias(const std::vector<float>& values, const dnnl::memory::desc& desc,
                Stage::Constants& constants) {
    constants.biasBytes = AlignedBytes(desc.get_size());
    std::memcpy(constants.biasBytes.data(), values.data(), values.size() * sizeof(float));
    constants.bias = dnnl::memory(desc, stage_.engine, constants.biasBytes.data());
  }

  /// The same kernels on the same packed weights, split over threads; an operation that has no such kernel
  /// for these threads stays on one.
  Variant compileForThreads(int threadCount) {
    Variant variant = single_;
    {
      const ThreadScope threads(threadCount);
      for (size_t i = 0; i < variant.steps.size(); ++i) {
        const Operation& operation = stage_.program.operations[i];
        // Matrix-vector products of this size lose more by waking threads than they win.
        if (!isPrimitive(operation.kind) || operation.kind == OperationKind::innerProduct) continue;
        Step split;
        split.threadCount = threadCount;
        split.compiled =
            compilePrimitive(operation, stage_.program, stage_.engine, &single_.steps[i].compiled);
        if (!split.compiled.primitive) continue;
        variant.scratchBytes = std::max(variant.scratchBytes, split.compiled.scratchBytes);
        variant.steps[i] = std::move(split);
      }
    }
    return variant;
  }

  const Tensor& tensor(int index) const { return stage_.program.tensors[static_cast<size_t>(index)]; }

  RowSplit rowSplit_;
  Stage stage_;
  Variant single_;
  std::vector<std::unique_ptr<Workspace>> slots_;
  std::map<int, std::unique_ptr<Several>> byThreads_;
  Several* several_ = nullptr;  // the one to use now; null: one thread
};

}  // namespace

bool hasOneDnn() { return true; }

graph::Precision precisionInUse(graph::Precision precision) {
  return processorIsFastWith(precision) ? precision : graph::Precision::float32;
}

std::unique_ptr<StageEngine> makeOneDnnEngine(const onnx::ModelProto& stage,
                                              const std::vector<Layout>& inputLayouts,
                                              graph::Precision precision, RowSplit rowSplit) {
  if (!processorHas(precision))
    throw Error(text("this processor has no instructions for ", graph::nameOf(precision), ", expected ",
                     precision == graph::Precision::bf16 ? "AVX512_BF16" : "VNNI"));
  try {
    return std::make_unique<OneDnnEngine>(stage, inputLayouts, precision, rowSplit);
  } catch (const dnnl::error& error) {
    throw Error(text("oneDNN cannot compile the stage: ", error.what()));
  }
}

}  // namespace rdi::engine
