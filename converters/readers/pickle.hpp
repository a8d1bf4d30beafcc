// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace rdi::convert::readers {

/// What a Python pickle describes, as inert data: a class or function is a name, calling it makes a record of
/// the call. Nothing is imported, looked up or run, whatever the names are.
class Pickle {
public:
  enum class Kind : uint8_t {
    none,
    boolean,
    integer,
    real,
    text,        // str
    bytes,       // bytes, and integers of more than eight bytes (little-endian)
    sequence,    // tuple, list, set
    dict,        // items: key, value, key, value, ...
    global,      // a class or function; text: "module name"
    persistent,  // items: the one value that the pickler left to its caller
    object,      // items: callee, arguments, state or none, then as a dict's
  };

  /// Sixteen bytes. Text points into the pickle, items lie in the `Pickle`.
  struct Value {
    Kind kind = Kind::none;
    uint32_t size = 0;  // length of a text or of bytes
    union {
      int64_t integer;
      double real;
      const char* characters;
      uint64_t node;
    } as{0};
  };

  /// Runs the op-codes that torch.save writes from `position` to STOP, and moves `position` behind it. Throws
  /// rdi::Error for any other op-code, and when it is cut short, damaged or makes absurdly many values.
  Pickle(std::string_view bytes, size_t& position);

  const Value& root() const { return root_; }
  /// Of a sequence, dict, persistent or object; others have none.
  const std::vector<Value>& items(const Value& value) const;
  /// Of a text, bytes or global; empty for others.
  static std::string_view text(const Value& value);
  /// Every persistent value, in the order they were met.
  const std::vector<Value>& persistents() const { return persistents_; }

private:
  friend class PickleMachine;
  std::deque<std::vector<Value>> nodes_;
  std::deque<std::string> strings_;  // names put together by STACK_GLOBAL
  std::vector<Value> persistents_;
  Value root_;
};

}  // namespace rdi::convert::readers
