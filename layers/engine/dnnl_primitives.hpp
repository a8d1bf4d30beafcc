// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <dnnl.hpp>
#include <string>
#include <vector>

#include "graph/precision.hpp"
#include "layers/engine/program.hpp"

namespace rdi::engine {

/// One memory that a primitive is executed with.
struct PrimitiveArgument {
  enum class Role { tensor, weights, bias, operand, scale, scratch };
  int name = 0;  // DNNL_ARG_...
  Role role = Role::tensor;
  int tensor = -1;  // Role::tensor: which one
  dnnl::memory::desc desc;
  std::vector<float> values = {};  // Role::scale
};

/// An operation compiled for as many threads as OpenMP gave the compiling thread.
struct CompiledPrimitive {
  dnnl::primitive primitive;
  std::string implementation;  // oneDNN's name for the kernel
  std::vector<PrimitiveArgument> arguments;
  size_t scratchBytes = 0;

  const PrimitiveArgument* find(PrimitiveArgument::Role role) const;
};

/// Layout of weights and bias as Operation holds them; 8-bit weights as int8_t.
dnnl::memory::desc plainWeights(const Operation& operation, const Program& program);
dnnl::memory::desc plainBias(const Operation& operation);

/// The bias in the unit in which this oneDNN adds it: that of the sums of products, or that of the result.
std::vector<float> biasToAdd(const Operation& operation, const Program& program);

/// True where the processor has instructions for it and oneDNN uses them.
bool processorHas(graph::Precision precision);

/// True where these instructions are faster than those for float32.
bool processorIsFastWith(graph::Precision precision);

/// True for the operations that oneDNN runs; the others only move bytes.
bool isPrimitive(OperationKind kind);

/// Compiles one operation; the only code that knows how oneDNN 2 and 3 differ. With `like`, asks for the same
/// kernel and the same weights layout as another compilation of the operation; the result has an empty
/// `primitive` when oneDNN has none for this number of threads. Throws rdi::Error naming the operation when
/// oneDNN refuses it.
CompiledPrimitive compilePrimitive(const Operation& operation, const Program& program,
                                   const dnnl::engine& engine, const CompiledPrimitive* like = nullptr);

}  // namespace rdi::engine
