// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "graph/shapes.hpp"
#include "graph/zoo/random.hpp"

namespace rdi::zoo {

/// How weights start. A bias starts uniform in +-1/sqrt(fanIn) with `uniformFanIn`, at zero otherwise.
enum class Init {
  uniformFanIn,  // uniform in +-1/sqrt(fanIn): PyTorch's default for convolutions and linear layers
  normalFanIn,   // normal, deviation sqrt(2 / fanIn)   (He et al. 2015)
  normalFanOut,  // normal, deviation sqrt(2 / (kernel * kernel * outChannels))
  zero,
};

struct ConvOptions {
  int64_t outChannels = 0;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t pad = 0;
  int64_t groups = 1;
  bool bias = false;
  Init init = Init::uniformFanIn;
};

/// Writes a network as ONNX, layer by layer. Each call appends one node named `name`, with weights
/// `name.weight`, `name.bias`, ... as PyTorch's state dict calls them, and returns the name of its output
/// tensor, which is `name` too. Shapes are followed, so that layers state only what they produce. Throws
/// rdi::Error when a name is taken, a source is unknown, or shapes do not fit.
class NetworkBuilder {
public:
  /// `input` is {C, H, W}; the batch stays open (dimension "N").
  NetworkBuilder(const std::string& architecture, const graph::Shape& input, uint64_t seed,
                 int64_t classes = 10);

  /// Goes on with a model (opset 7 or newer), whose tensors can all be read; its outputs stay.
  NetworkBuilder(onnx::ModelProto model, uint64_t seed);

  std::string input() const;
  int64_t classes() const { return classes_; }  // that an exit tells apart

  std::string conv(const std::string& name, const std::string& src, const ConvOptions& options);
  std::string batchNorm(const std::string& name,
                        const std::string& src);  // epsilon 1e-5, momentum as PyTorch's 0.1
  std::string relu(const std::string& name, const std::string& src);
  std::string maxPool(const std::string& name, const std::string& src, int64_t window);  // stride = window
  std::string averagePool(const std::string& name, const std::string& src,
                          int64_t window);  // stride = window
  std::string subsample(const std::string& name, const std::string& src,
                        int64_t stride);  // every stride-th row and column
  std::string globalAveragePool(const std::string& name, const std::string& src);
  std::string flatten(const std::string& name, const std::string& src);
  std::string linear(const std::string& name, const std::string& src, int64_t outFeatures,
                     Init init = Init::uniformFanIn);
  std::string dropout(const std::string& name, const std::string& src, float ratio);
  std::string add(const std::string& name, const std::string& left, const std::string& right);
  std::string softmax(const std::string& name, const std::string& src);
  /// Channels of zeros before and after those of `src`.
  std::string padChannels(const std::string& name, const std::string& src, int64_t before, int64_t after);
  /// (src - mean) / deviation, one value a channel each; constants, which no training moves.
  std::string normalize(const std::string& name, const std::string& src, const std::vector<float>& mean,
                        const std::vector<float>& deviation);

  /// Makes `src` the graph output `exit`; exits are declared in the order of these calls.
  void addExit(const std::string& exit, const std::string& src);

  /// The model, opset 11 and IR 6 unless it began otherwise; the builder is empty afterwards.
  onnx::ModelProto finish();

private:
  onnx::NodeProto& append(const std::string& opType, const std::string& name,
                          const std::vector<std::string>& sources, const graph::Shape& shape);
  std::string pool(const std::string& opType, const std::string& name, const std::string& src,
                   int64_t window);
  const graph::Shape& shapeOf(const std::string& tensor, size_t rank) const;  // without the batch
  std::string addConstant(const std::string& name, onnx::TensorProto value);
  std::string addWeights(const std::string& name, const graph::Shape& dims,
                         const std::function<double()>& draw);
  std::function<double()> sampler(Init init, int64_t fanIn, int64_t fanOut);

  onnx::ModelProto model_;
  std::map<std::string, graph::Shape> shapes_;
  Random random_;
  int64_t classes_ = 10;
};

}  // namespace rdi::zoo
