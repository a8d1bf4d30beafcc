// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstddef>
#include <vector>

#include "layers/engine/program.hpp"

namespace rdi::engine {

enum class Storage { arena, input, output };

/// Where a tensor's bytes are.
struct Place {
  Storage storage = Storage::arena;
  size_t offset = 0;  // arena: bytes from its start, a multiple of 64
  int index = 0;      // input, output: which one
};

struct BufferPlan {
  std::vector<Place> places;  // one a tensor
  size_t arenaBytes = 0;
};

/// Gives every tensor its place: graph inputs and outputs in the caller's memory, the rest in one arena in
/// which tensors that are never alive together share bytes. A tensor that is added to a result and dies there
/// is the destination's own buffer; where that is impossible the operation's copiesAddend is set.
BufferPlan planBuffers(Program& program);

}  // namespace rdi::engine
