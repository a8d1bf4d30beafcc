// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>
#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/operators.hpp"

namespace rdi::train {

/// Bit k is set when exit k (0-based, the main exit last) is wanted.
using ExitSet = uint64_t;
constexpr ExitSet kAllExits = ~ExitSet{0};
inline ExitSet onlyExit(size_t k) { return ExitSet{1} << k; }

struct GraphModuleOptions {
  bool channelsLast = false;  // keep features as NHWC
  bool logProbabilities =
      false;  // the model's outputs are probabilities: give their logarithm, which are logits
  bool freezeBackbone = false;  // what the last exit needs keeps its weights and runs as in evaluation
};

/// A multi-exit ONNX model run by libtorch. FLOAT initializers become parameters, running statistics of
/// BatchNormalization buffers; Constant nodes, and what is frozen, stay as they are.
class GraphModule : public torch::nn::Module {
public:
  enum class Kind { parameter, statistic, frozen, constant };
  struct Weight {
    std::string name;  // of the initializer
    torch::Tensor value;
    Kind kind;
    bool moves() const { return kind == Kind::parameter || kind == Kind::statistic; }
  };

  /// Throws rdi::Error naming operator and node when something in the model is not supported.
  explicit GraphModule(const onnx::ModelProto& model, const GraphModuleOptions& options = {});

  /// Scores of every exit (N x classes), in the order of the model's outputs; an exit outside `exits` is left
  /// undefined and what only it needs is not computed. `images` is N x C x H x W.
  std::vector<torch::Tensor> forward(const torch::Tensor& images, const ForwardMode& mode,
                                     ExitSet exits = kAllExits);

  /// The same with the behaviour that train() and eval() set.
  std::vector<torch::Tensor> forward(const torch::Tensor& images);

  /// From now on what is fed in training is this part of a batch that the processes of `group`, which
  /// outlives this, share: statistics and dropout are those of the whole. Everybody must run the same passes.
  void shareBatches(WorkerGroup& group, const BatchPart& part);

  size_t exitCount() const { return outputs_.size(); }
  /// Whether batch statistics make a difference: frozen ones do not.
  bool hasBatchNormalization() const { return hasBatchNormalization_; }

  /// Every kind of weight in the order of first use.
  const std::vector<Weight>& weights() const { return weights_; }

  /// Parameters alone.
  std::vector<torch::Tensor> trainable() const;

  /// Puts the weights that move back into the model they came from; bit exact.
  void writeBack(onnx::ModelProto& model) const;

private:
  struct Step {
    Operation operation;
    std::vector<int> operands;
    int output = 0;
    std::vector<int> dead;  // slots nobody reads after this step
    ExitSet exits = 0;      // exits that need this step
    bool frozen = false;    // runs as in evaluation
  };

  GraphModuleOptions options_;
  std::vector<Weight> weights_;
  std::vector<torch::Tensor> slots_;  // slot 0 stays undefined: an omitted input
  std::vector<Step> steps_;
  int input_ = 0;
  std::vector<int> outputs_;
  bool hasBatchNormalization_ = false;
  WorkerGroup* group_ = nullptr;
  BatchPart part_;
};

/// While it lives, no parameter asks for a gradient: an attack costs nothing but the gradient of its images.
class FrozenParameters {
public:
  explicit FrozenParameters(const GraphModule& module);
  ~FrozenParameters();
  FrozenParameters(const FrozenParameters&) = delete;
  FrozenParameters& operator=(const FrozenParameters&) = delete;

private:
  std::vector<torch::Tensor> frozen_;
};

}  // namespace rdi::train
