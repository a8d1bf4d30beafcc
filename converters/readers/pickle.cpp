// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/readers/pickle.hpp"

#include <unordered_map>

#include "converters/readers/cursor.hpp"
#include "graph/error.hpp"

namespace rdi::convert::readers {
namespace {

/// A checkpoint makes a few thousand; this bounds the memory of a hostile one.
constexpr size_t kMostValues = size_t{1} << 22;

/// The op-codes that torch.save may write with protocol 2 to 5 (names as in Python's pickletools).
enum OpCode : uint8_t {
  PROTO = 0x80,
  FRAME = 0x95,
  STOP = '.',
  MARK = '(',
  POP = '0',
  POP_MARK = '1',
  DUP = '2',
  NONE = 'N',
  NEWTRUE = 0x88,
  NEWFALSE = 0x89,
  BININT = 'J',
  BININT1 = 'K',
  BININT2 = 'M',
  LONG1 = 0x8a,
  LONG4 = 0x8b,
  BINFLOAT = 'G',
  BINSTRING = 'T',
  SHORT_BINSTRING = 'U',
  BINUNICODE = 'X',
  SHORT_BINUNICODE = 0x8c,
  BINUNICODE8 = 0x8d,
  BINBYTES = 'B',
  SHORT_BINBYTES = 'C',
  BINBYTES8 = 0x8e,
  BYTEARRAY8 = 0x96,
  EMPTY_TUPLE = ')',
  TUPLE = 't',
  TUPLE1 = 0x85,
  TUPLE2 = 0x86,
  TUPLE3 = 0x87,
  EMPTY_LIST = ']',
  APPEND = 'a',
  APPENDS = 'e',
  EMPTY_SET = 0x8f,
  ADDITEMS = 0x90,
  FROZENSET = 0x91,
  EMPTY_DICT = '}',
  SETITEM = 's',
  SETITEMS = 'u',
  GLOBAL = 'c',
  STACK_GLOBAL = 0x93,
  REDUCE = 'R',
  NEWOBJ = 0x81,
  NEWOBJ_EX = 0x92,
  BUILD = 'b',
  BINPERSID = 'Q',
  BINGET = 'h',
  LONG_BINGET = 'j',
  BINPUT = 'q',
  LONG_BINPUT = 'r',
  MEMOIZE = 0x94,
};

using Kind = Pickle::Kind;
using Value = Pickle::Value;

Value number(int64_t integer) {
  Value value;
  value.kind = Kind::integer;
  value.as.integer = integer;
  return value;
}

Value boolean(bool truth) {
  Value value = number(truth ? 1 : 0);
  value.kind = Kind::boolean;
  return value;
}

Value characters(Kind kind, std::string_view text) {
  if (text.size() > UINT32_MAX) throw Error("holds a text of more than 4 GiB");
  Value value;
  value.kind = kind;
  value.size = static_cast<uint32_t>(text.size());
  value.as.characters = text.data();
  return value;
}

/// Two's complement, little-endian, any length.
Value longInteger(std::string_view bytes) {
  if (bytes.size() > 8) return characters(Kind::bytes, bytes);
  const bool negative = !bytes.empty() && (static_cast<uint8_t>(bytes.back()) & 0x80) != 0;
  uint64_t bits = negative ? ~uint64_t{0} : 0;
  for (size_t i = bytes.size(); i-- > 0;) bits = bits << 8 | static_cast<uint8_t>(bytes[i]);
  return number(static_cast<int64_t>(bits));
}

Value bigEndianDouble(std::string_view bytes) {
  uint64_t bits = 0;
  for (const char byte : bytes) bits = bits << 8 | static_cast<uint8_t>(byte);
  Value value;
  value.kind = Kind::real;
  std::memcpy(&value.as.real, &bits, sizeof bits);
  return value;
}

}  // namespace

/// The stack machine of the pickle format.
class PickleMachine {
public:
  PickleMachine(Pickle& pickle, std::string_view bytes, size_t position)
      : pickle_(pickle), cursor_(bytes, position) {}

  /// Returns the position behind STOP.
  size_t run() {
    for (;;) {
      start_ = cursor_.position();
      const auto code = cursor_.read<uint8_t>();
      if (code == STOP) break;
      step(code);
    }
    pickle_.root_ = pop();
    return cursor_.position();
  }

private:
  [[noreturn]] void damaged(const std::string& what) const {
    throw Error(text("is damaged: its pickle ", what, " at byte ", start_));
  }

  void count() {
    if (++made_ > kMostValues)
      throw Error(text("its pickle makes more than ", kMostValues,
                       " values, a checkpoint makes a few thousand; it is damaged or hostile"));
  }

  void push(const Value& value) {
    count();
    stack_.push_back(value);
  }

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Value& top() {
    if (stack_.size() <= floor()) damaged("takes a value from an empty stack");
    return stack_.back();
  }

  Value pop() {
    const Value value = top();
    stack_.pop_back();
    return value;
  }

  /// The values since the last mark, which goes.
  std::vector<Value> popMark() {
    if (marks_.empty()) damaged("closes what it did not open");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Value> values(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return values;
  }

  std::vector<Value> popSome(size_t wanted) {
    std::vector<Value> values(wanted);
    for (size_t i = wanted; i-- > 0;) values[i] = pop();
    return values;
  }

  void pushNode(Kind kind, std::vector<Value> items) {
    Value value;
    value.kind = kind;
    value.as.node = pickle_.nodes_.size();
    items.shrink_to_fit();
    pickle_.nodes_.push_back(std::move(items));
    push(value);
    if (kind == Kind::persistent) pickle_.persistents_.push_back(value);
  }

  std::vector<Value>& itemsOfTop(bool wantsDict) {
    const Value& target = top();
    const bool fits = wantsDict ? target.kind == Kind::dict : target.kind == Kind::sequence;
    if (!fits && target.kind != Kind::object) damaged("fills something that is no container");
    return pickle_.nodes_[target.as.node];
  }

  /// What lists that are objects hold is of no use here and dropped.
  void append(const std::vector<Value>& values) {
    auto& items = itemsOfTop(false);
    if (top().kind == Kind::sequence) items.insert(items.end(), values.begin(), values.end());
  }

  void setItems(const std::vector<Value>& values) {
    if (values.size() % 2 != 0) damaged("gives a dict a key without a value");
    auto& items = itemsOfTop(true);
    items.insert(items.end(), values.begin(), values.end());
  }

  void build() {
    const Value state = pop();
    const Value& target = top();
    if (target.kind == Kind::object) pickle_.nodes_[target.as.node][2] = state;
  }

  void stackGlobal() {
    const Value name = pop(), module = pop();
    if (name.kind != Kind::text || module.kind != Kind::text)
      damaged("names a class by something else than text");
    pickle_.strings_.push_back(text(Pickle::text(module), ' ', Pickle::text(name)));
    push(characters(Kind::global, pickle_.strings_.back()));
  }

  void global() {
    const auto module = cursor_.line(), name = cursor_.line();
    pickle_.strings_.push_back(text(module, ' ', name));
    push(characters(Kind::global, pickle_.strings_.back()));
  }

  void put(uint64_t index) {
    count();
    memo_[index] = top();
  }

  void get(uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) damaged(text("asks for value ", index, ", which it did not make,"));
    push(found->second);
  }

  void step(uint8_t code) {
    switch (code) {
      case PROTO:
        if (const int version = cursor_.read<uint8_t>(); version < 2 || version > 5)
          damaged(text("says protocol ", version, ", expected 2 to 5,"));
        return;
      case FRAME:
        cursor_.read<uint64_t>();
        return;
      case MARK:
        count();
        marks_.push_back(stack_.size());
        return;
      case POP:  // of a mark too, where nothing stands on it
        if (!marks_.empty() && stack_.size() == marks_.back())
          marks_.pop_back();
        else
          pop();
        return;
      case POP_MARK:
        popMark();
        return;
      case DUP:
        return push(Value(top()));
      case NONE:
        return push(Value());
      case NEWTRUE:
        return push(boolean(true));
      case NEWFALSE:
        return push(boolean(false));
      case BININT:
        return push(number(cursor_.read<int32_t>()));
      case BININT1:
        return push(number(cursor_.read<uint8_t>()));
      case BININT2:
        return push(number(cursor_.read<uint16_t>()));
      case LONG1:
        return push(longInteger(cursor_.take(cursor_.read<uint8_t>())));
      case LONG4:
        return push(longInteger(cursor_.take(cursor_.read<uint32_t>())));
      case BINFLOAT:
        return push(bigEndianDouble(cursor_.take(8)));
      case SHORT_BINSTRING:
      case SHORT_BINUNICODE:
        return push(characters(Kind::text, cursor_.take(cursor_.read<uint8_t>())));
      case BINSTRING:
      case BINUNICODE:
        return push(characters(Kind::text, cursor_.take(cursor_.read<uint32_t>())));
      case BINUNICODE8:
        return push(characters(Kind::text, cursor_.take(cursor_.read<uint64_t>())));
      case SHORT_BINBYTES:
        return push(characters(Kind::bytes, cursor_.take(cursor_.read<uint8_t>())));
      case BINBYTES:
        return push(characters(Kind::bytes, cursor_.take(cursor_.read<uint32_t>())));
      case BINBYTES8:
      case BYTEARRAY8:
        return push(characters(Kind::bytes, cursor_.take(cursor_.read<uint64_t>())));
      case EMPTY_TUPLE:
      case EMPTY_LIST:
      case EMPTY_SET:
        return pushNode(Kind::sequence, {});
      case TUPLE:
      case FROZENSET:
        return pushNode(Kind::sequence, popMark());
      case TUPLE1:
      case TUPLE2:
      case TUPLE3:
        return pushNode(Kind::sequence, popSome(static_cast<size_t>(code) - TUPLE1 + 1));
      case APPEND:
        return append(popSome(1));
      case APPENDS:
      case ADDITEMS:
        return append(popMark());
      case EMPTY_DICT:
        return pushNode(Kind::dict, {});
      case SETITEM:
        return setItems(popSome(2));
      case SETITEMS:
        return setItems(popMark());
      case GLOBAL:
        return global();
      case STACK_GLOBAL:
        return stackGlobal();
      case NEWOBJ_EX:  // class, arguments, keyword arguments
        pop();
        [[fallthrough]];
      case REDUCE:
      case NEWOBJ: {
        auto call = popSome(2);
        call.emplace_back();
        return pushNode(Kind::object, std::move(call));
      }
      case BUILD:
        return build();
      case BINPERSID:
        return pushNode(Kind::persistent, popSome(1));
      case BINGET:
        return get(cursor_.read<uint8_t>());
      case LONG_BINGET:
        return get(cursor_.read<uint32_t>());
      case BINPUT:
        return put(cursor_.read<uint8_t>());
      case LONG_BINPUT:
        return put(cursor_.read<uint32_t>());
      case MEMOIZE:
        return put(memo_.size());
      default:
        damaged(text("holds op-code ", int{code}, ", which torch.save does not write,"));
    }
  }

  Pickle& pickle_;
  Cursor cursor_;
  size_t start_ = 0;  // of the op-code in work
  size_t made_ = 0;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Value> memo_;
};

Pickle::Pickle(std::string_view bytes, size_t& position) {
  position = PickleMachine(*this, bytes, position).run();
}

const std::vector<Pickle::Value>& Pickle::items(const Value& value) const {
  static const std::vector<Value> none;
  switch (value.kind) {
    case Kind::sequence:
    case Kind::dict:
    case Kind::persistent:
    case Kind::object:
      return nodes_[value.as.node];
    default:
      return none;
  }
}

std::string_view Pickle::text(const Value& value) {
  switch (value.kind) {
    case Kind::text:
    case Kind::bytes:
    case Kind::global:
      return {value.as.characters, value.size};
    default:
      return {};
  }
}

}  // namespace rdi::convert::readers
