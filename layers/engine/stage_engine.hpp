// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <memory>
#include <string>
#include <vector>

#include "graph/precision.hpp"

namespace rdi::engine {

/// How a tensor lies in memory; one row, float32, no gaps.
enum class Layout {
  nchw,   // rank 4, channels first: the net's own input
  nhwc,   // rank 4, channels last: every other picture-like tensor
  plain,  // any other rank, as in ONNX
};

enum class EngineKind { oneDnn, openCv };

/// When a single row is split over threads.
enum class RowSplit {
  whenFaster,  // as measured while rows run (ThreadChoice)
  always,      // for tests and measurements
};

Layout layoutFromName(const std::string& name);      // nchw, nhwc, plain; throws rdi::Error for any other
EngineKind engineFromName(const std::string& name);  // onednn, opencv; throws rdi::Error for any other

/// Runs an embedded stage (plain ONNX, batch 1) one row at a time. The result of a row depends on nothing but
/// its inputs: not on the slot, the number of slots or the number of threads.
class StageEngine {
public:
  virtual ~StageEngine() = default;

  /// Makes room for rows running at once in slots 0 .. slotCount-1 on one core each, and for single rows on
  /// `threadCount` threads. Costly the first time for each number; runs in no other call.
  virtual void prepare(int slotCount, int threadCount) = 0;

  /// Computes one row on the calling thread. inputs[i] and outputs[j] point to the row's data of the i-th
  /// graph input and j-th graph output. Calls with different slots may run at the same time.
  virtual void runRow(int slot, const float* const* inputs, float* const* outputs) = 0;

  /// Computes one row on up to as many threads as prepare was told; no other call may run at the same time.
  virtual void runSingleRow(const float* const* inputs, float* const* outputs) = 0;
};

/// False in a build without oneDNN.
bool hasOneDnn();

/// What the oneDNN engine should compute a stage with for which a file asks for `precision`: that where the
/// processor has instructions for it that are faster than those for float32, and float32 elsewhere. bf16
/// needs AMX, or AVX512_BF16 on a processor that is not Intel's; int8 needs VNNI.
graph::Precision precisionInUse(graph::Precision precision);

/// Compiles the stage for oneDNN; throws rdi::Error naming operator and node when the oneDNN engine lacks
/// one, and when the processor has no instructions for `precision`. In a build without oneDNN, the same as
/// makeOpenCvEngine.
std::unique_ptr<StageEngine> makeOneDnnEngine(const onnx::ModelProto& stage,
                                              const std::vector<Layout>& inputLayouts,
                                              graph::Precision precision = graph::Precision::float32,
                                              RowSplit rowSplit = RowSplit::whenFaster);

/// Runs the stage in nested cv::dnn::Nets, one a slot. Throws rdi::Error with OpenCV's words when it refuses
/// the stage.
std::unique_ptr<StageEngine> makeOpenCvEngine(const onnx::ModelProto& stage,
                                              const std::vector<Layout>& inputLayouts);

/// OpenCV's engine computes with float32 whatever the precision.
std::unique_ptr<StageEngine> makeEngine(EngineKind kind, const onnx::ModelProto& stage,
                                        const std::vector<Layout>& inputLayouts,
                                        graph::Precision precision = graph::Precision::float32);

}  // namespace rdi::engine
