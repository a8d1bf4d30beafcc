// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "converters/readers/pickle.hpp"
#include "converters/weights.hpp"

namespace rdi::convert::readers {

/// What a pickle of torch.save says about one storage: persistent value ("storage", class, key, location,
/// number of elements), in legacy files with (view key, offset, length) behind it.
struct StorageRecord {
  std::string_view key;
  size_t elementSize = 0;           // bytes
  std::optional<ElementType> type;  // absent: one that we cannot read, or untyped bytes
  std::string_view typeName;        // "torch FloatStorage"
  uint64_t elements = 0;            // of the whole storage
  uint64_t offset = 0;              // of a legacy view, in elements
};

/// Reads a persistent value. Throws rdi::Error when it is no storage, or of a class with unknown size.
StorageRecord storageRecord(const Pickle& pickle, const Pickle::Value& persistent);

/// Whether a persistent value is a storage; the other kind there is are the classes of pickled modules.
bool isStorage(const Pickle& pickle, const Pickle::Value& persistent);

/// Bytes of a storage; throws rdi::Error when they are not all there.
using StorageBytes = std::function<std::string_view(const StorageRecord& record)>;

/// Fills key, tensors and others of `weights` with the state dict of what torch.save saved.
///
/// A state dict is a dict with text keys, or a module, that holds tensors with a dot in their name
/// ("conv1.weight"); if there is none, any dict that holds tensors by name. It is searched from the top
/// through text keys, so an optimizer's state, which has numbers for keys, is never one. `key` (keys joined
/// by dots, "." for the top level) chooses among all dicts that hold tensors. Throws rdi::Error listing them
/// when there is none, none of that key, or several and no key.
void findStateDict(const Pickle& pickle, const StorageBytes& bytesOf, const std::string& key,
                   Weights& weights);

}  // namespace rdi::convert::readers
