// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "layers/layer_table.hpp"
#include "rdi/rdi.hpp"

namespace rdi {
namespace {

/// Runs when the library is loaded: by the linker, dlopen, LD_PRELOAD or ctypes. An exception here would end
/// the process; a registration that failed shows when OpenCV does not find the layers.
__attribute__((constructor)) void registerWhenLoaded() {
  try {
    registerLayerTypes();
  } catch (...) {
  }
}

}  // namespace

void registerLayers() { registerLayerTypes(); }

}  // namespace rdi
