// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <onnx/onnx_pb.h>

#include <memory>

namespace rdi::bench {

/// The convolutions of a simplified static net and nothing else, called one after the other with the layouts
/// that oneDNN chooses, activations and residual additions fused: the least time that this library needs for
/// the net. They share two buffers, so it computes no answer.
class BareChain {
public:
  /// `batch` pictures at once, layer by layer.
  explicit BareChain(const onnx::ModelProto& staticNet, int64_t batch = 1);
  ~BareChain();
  BareChain(const BareChain&) = delete;
  BareChain& operator=(const BareChain&) = delete;

  size_t size() const;
  void run();

private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rdi::bench
