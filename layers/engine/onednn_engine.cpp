// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dnnl.hpp>
#include <map>
#include <utility>

#include "graph/error.hpp"
#include "layers/engine/buffers.hpp"
#include "layers/engine/dnnl_primitives.hpp"
#include "layers/engine/layout.hpp"
#include "layers/engine/lowering.hpp"
#include "layers/engine/stage_engine.hpp"
#include "layers/engine/thread_scope.hpp"

namespace rdi::engine {
namespace {

using Role = PrimitiveArgument::Role;

constexpr size_t kAlignment = 64;

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
  int threadCount = 1;
  size_t scratchBytes = 0;
  std::vector<Step> steps;
};

/// Memory and prepared arguments of one row at a time.
class Workspace {
 public:
  Workspace(const Stage& stage, const Variant& variant)
      : stage_(stage),
        variant_(variant),
        arena_(stage.plan.arenaBytes),
        scratch_(variant.scratchBytes),
        stream_(stage.engine),
        external_(stage.program.inputs.size() + stage.program.outputs.size()),
        externalData_(external_.size(), nullptr) {
    calls_.resize(variant.steps.size());
    for (size_t i = 0; i < variant.steps.size(); ++i) {
      for (const PrimitiveArgument& argument : variant.steps[i].compiled.arguments) {
        const dnnl_memory_t memory = memoryOf(argument, stage.constants[i]);
        if (memory != nullptr) calls_[i].push_back({argument.name, memory});
      }
    }
  }

  void run(const float* const* inputs, float* const* outputs) {
    const size_t inputCount = stage_.program.inputs.size();
    for (size_t i = 0; i < external_.size(); ++i) {
      // oneDNN takes every handle as writable; a primitive only reads its sources.
      externalData_[i] = i < inputCount ? const_cast<float*>(inputs[i]) : outputs[i - inputCount];
      for (const dnnl_memory_t memory : external_[i]) check(dnnl_memory_set_data_handle(memory, externalData_[i]));
    }
    const FlushScope flush(variant_.threadCount);
    size_t next = 0;
    while (next < variant_.steps.size()) {
      const int threadCount = variant_.steps[next].threadCount;
      const ThreadScope threads(threadCount);
      for (; next < variant_.steps.size() && variant_.steps[next].threadCount == threadCount; ++next) runStep(next);
    }
  }

  /// Runs one operation on whatever its tensors hold.
  void runStep(size_t index) {
    const Operation& operation = stage_.program.operations[index];
    if (operation.copiesAddend)
      std::memcpy(dataOf(operation.destination), dataOf(operation.addend), bytesOf(operation.destination));
    switch (operation.kind) {
      case OperationKind::toChannelsLast: {
        const Tensor& source = stage_.program.tensors[static_cast<size_t>(operation.sources[0])];
        toChannelsLast(dataOf(operation.sources[0]), static_cast<size_t>(source.channels()),
                       static_cast<size_t>(source.pixels()), dataOf(operation.destination));
        return;
      }
      case OperationKind::toChannelsFirst: {
        const Tensor& source = stage_.program.tensors[static_cast<size_t>(operation.sources[0])];
        toChannelsFirst(dataOf(operation.sources[0]), static_cast<size_t>(source.channels()),
                        static_cast<size_t>(source.pixels()), dataOf(operation.destination));
        return;
      }
      case OperationKind::copy:
        std::memcpy(dataOf(operation.destination), dataOf(operation.sources[0]), bytesOf(operation.destination));
        return;
      default: break;
    }
    const std::vector<dnnl_exec_arg_t>& call = calls_[index];
    check(dnnl_primitive_execute(variant_.steps[index].compiled.primitive.get(), stream_.get(),
                                 static_cast<int>(call.size()), call.data()));
  }

  void bind(int external, float* data) {
    externalData_[static_cast<size_t>(external)] = data;
    for (const dnnl_memory_t memory : external_[static_cast<size_t>(external)])
      check(dnnl_memory_set_data_handle(memory, data));
  }

  float* dataOf(int tensor) {
    const Place& place = stage_.plan.places[static_cast<size_t>(tensor)];
    if (place.storage == Storage::arena) return reinterpret_cast<float*>(arena_.data() + place.offset);
    return externalData_[externalIndex(place)];
  }

 private:
  static void check(dnnl_status_t status) {
    if (status != dnnl_success)
      throw Error(text("oneDNN failed to run a stage (status ", static_cast<int>(status), ")"));
  }

  size_t externalIndex(const Place& place) const {
    return static_cast<size_t>(place.index) + (place.storage == Storage::output ? stage_.program.inputs.size() : 0);
  }

  size_t bytesOf(int tensor) const {
    return static_cast<size_t>(stage_.program.tensors[static_cast<size_t>(tensor)].elementCount()) * sizeof(float);
  }

  dnnl_memory_t memoryOf(const PrimitiveArgument& argument, const Stage::Constants& constants) {
    switch (argument.role) {
      case Role::weights: return constants.weights.get();
      case Role::bias:
      case Role::operand: return constants.bias.get();
      case Role::scratch:
        if (argument.desc.get_size() == 0) return nullptr;
        memories_.emplace_back(argument.desc, stage_.engine, scratch_.data());
        return memories_.back().get();
      case Role::tensor: break;
    }
    const Place& place = stage_.plan.places[static_cast<size_t>(argument.tensor)];
    const bool inArena = place.storage == Storage::arena;
    memories_.emplace_back(argument.desc, stage_.engine, inArena ? arena_.data() + place.offset : nullptr);
    if (!inArena) external_[externalIndex(place)].push_back(memories_.back().get());
    return memories_.back().get();
  }

  const Stage& stage_;
  const Variant& variant_;
  AlignedBytes arena_, scratch_;
  dnnl::stream stream_;
  std::vector<dnnl::memory> memories_;               // owners of what calls_ and external_ point to
  std::vector<std::vector<dnnl_exec_arg_t>> calls_;  // one an operation
  std::vector<std::vector<dnnl_memory_t>> external_;  // by graph input, then graph output
  std::vector<float*> externalData_;                  // the row's data, in the same order
};

/// Values that look like activations and differ in every bit pattern; the same every time.
void fillWithProbe(float* values, size_t count) {
  uint32_t state = 0x9e3779b9u;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    values[i] = static_cast<float>(state >> 8) * (2.0f / 16777216.0f) - 0.75f;
  }
}

class OneDnnEngine : public StageEngine {
 public:
  OneDnnEngine(const onnx::ModelProto& model, const std::vector<Layout>& inputLayouts) {
    stage_.program = lower(model, inputLayouts);
    stage_.plan = planBuffers(stage_.program);
    compileForOneThread();
  }

  void prepare(int slotCount, int threadCount) override {
    while (slots_.size() < static_cast<size_t>(slotCount))
      slots_.push_back(std::make_unique<Workspace>(stage_, single_));
    threadCount = std::min(threadCount, kMostThreads);
    if (threadCount == 1) {
      several_ = nullptr;
      return;
    }
    auto& variant = variants_[threadCount];
    if (!variant) variant = std::make_unique<ThreadedVariant>(compileForThreads(threadCount), stage_);
    several_ = variant.get();
  }

  void runRow(int slot, const float* const* inputs, float* const* outputs) override {
    slots_[static_cast<size_t>(slot)]->run(inputs, outputs);
  }

  void runSingleRow(const float* const* inputs, float* const* outputs) override {
    if (several_ == nullptr)
      runRow(0, inputs, outputs);
    else
      several_->workspace.run(inputs, outputs);
  }

 private:
  struct ThreadedVariant {
    ThreadedVariant(Variant compiled, const Stage& stage) : variant(std::move(compiled)), workspace(stage, variant) {}
    Variant variant;
    Workspace workspace;
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
    dnnl::memory plain(plainWeights(operation, stage_.program), stage_.engine, operation.weights.data());
    constants.weightBytes = AlignedBytes(wanted.desc.get_size());
    constants.weights = dnnl::memory(wanted.desc, stage_.engine, constants.weightBytes.data());
    dnnl::stream stream(stage_.engine);
    dnnl::reorder(plain, constants.weights).execute(stream, plain, constants.weights);
    stream.wait();
    keepBias(operation.bias, plainBias(operation), constants);
  }

  void keepBias(const std::vector<float>& values, const dnnl::memory::desc& desc, Stage::Constants& constants) {
    constants.biasBytes = AlignedBytes(desc.get_size());
    std::memcpy(constants.biasBytes.data(), values.data(), values.size() * sizeof(float));
    constants.bias = dnnl::memory(desc, stage_.engine, constants.biasBytes.data());
  }

  /// The same kernels on the same packed weights, split over threads. oneDNN may divide the sums of an operation
  /// differently for each number of threads, which would change last bits; an operation that does, or that has no such
  /// kernel for these threads, stays on one thread.
  Variant compileForThreads(int threadCount) {
    Variant variant;
    variant.threadCount = threadCount;
    const ThreadScope threads(threadCount);
    for (size_t i = 0; i < single_.steps.size(); ++i) {
      const Operation& operation = stage_.program.operations[i];
      Step step = single_.steps[i];
      // Matrix-vector products at this size lose more by waking threads than they win.
      if (isPrimitive(operation.kind) && operation.kind != OperationKind::innerProduct) {
        Step split;
        split.threadCount = threadCount;
        split.compiled = compilePrimitive(operation, stage_.program, stage_.engine, &single_.steps[i].compiled);
        if (split.compiled.primitive && givesTheSameBits(i, split)) step = std::move(split);
      }
      variant.scratchBytes = std::max(variant.scratchBytes, step.compiled.scratchBytes);
      variant.steps.push_back(std::move(step));
    }
    return variant;
  }

  /// Runs one operation both ways on the same made-up tensors.
  bool givesTheSameBits(size_t index, const Step& split) {
    const Operation& operation = stage_.program.operations[index];
    std::vector<float> results[2];
    for (int way = 0; way < 2; ++way) {
      Variant alone;
      alone.steps.resize(single_.steps.size());
      alone.steps[index] = way == 0 ? single_.steps[index] : split;
      alone.threadCount = alone.steps[index].threadCount;
      alone.scratchBytes = alone.steps[index].compiled.scratchBytes;
      Workspace workspace(stage_, alone);
      std::vector<std::vector<float>> external;
      const auto count = [&](int which) { return static_cast<size_t>(tensor(which).elementCount()); };
      int position = 0;
      for (const auto* list : {&stage_.program.inputs, &stage_.program.outputs})
        for (const int one : *list) {
          external.emplace_back(count(one));
          workspace.bind(position++, external.back().data());
        }
      for (const int source : operation.sources) fillWithProbe(workspace.dataOf(source), count(source));
      if (operation.addend >= 0) fillWithProbe(workspace.dataOf(operation.addend), count(operation.addend));
      const FlushScope flush(alone.threadCount);
      const ThreadScope threads(alone.threadCount);
      workspace.runStep(index);
      const float* result = workspace.dataOf(operation.destination);
      results[way].assign(result, result + count(operation.destination));
    }
    return std::memcmp(results[0].data(), results[1].data(), results[0].size() * sizeof(float)) == 0;
  }

  const Tensor& tensor(int index) const { return stage_.program.tensors[static_cast<size_t>(index)]; }

  Stage stage_;
  Variant single_;
  std::vector<std::unique_ptr<Workspace>> slots_;
  std::map<int, std::unique_ptr<ThreadedVariant>> variants_;  // by number of threads
  ThreadedVariant* several_ = nullptr;                        // the one to use now; null: one thread
};

}  // namespace

std::unique_ptr<StageEngine> makeOneDnnEngine(const onnx::ModelProto& stage, const std::vector<Layout>& inputLayouts) {
  try {
    return std::make_unique<OneDnnEngine>(stage, inputLayouts);
  } catch (const dnnl::error& error) {
    throw Error(text("oneDNN cannot compile the stage: ", error.what()));
  }
}

}  // namespace rdi::engine
