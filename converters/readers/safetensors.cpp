// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <array>
#include <nlohmann/json.hpp>

#include "converters/readers/cursor.hpp"
#include "converters/readers/readers.hpp"
#include "graph/error.hpp"

namespace rdi::convert::readers {
namespace {

using nlohmann::json;

constexpr uint64_t kLargestHeader = 100'000'000;  // as in the reference implementation
constexpr int kDeepest = 3;                       // file, tensor, list of numbers
constexpr size_t kLongestReason = 200;            // of what the JSON parser says
constexpr char kMetadata[] = "__metadata__";

struct NamedType {
  std::string_view name;
  ElementType type;
};

constexpr std::array<NamedType, 10> kTypes{{
    {"F32", ElementType::float32},
    {"F16", ElementType::float16},
    {"BF16", ElementType::bfloat16},
    {"F64", ElementType::float64},
    {"I8", ElementType::int8},
    {"U8", ElementType::uint8},
    {"I16", ElementType::int16},
    {"I32", ElementType::int32},
    {"I64", ElementType::int64},
    {"BOOL", ElementType::boolean},
}};

/// Looks before the parser does: depth costs it memory, and its own limit costs time.
void checkDepth(std::string_view header) {
  int depth = 0;
  bool inText = false;
  for (size_t i = 0; i < header.size(); ++i) {
    const char c = header[i];
    if (c == '"') inText = !inText;
    if (inText && c == '\\') ++i;
    if (inText) continue;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kDeepest)
      throw Error(text("has a header of more than ", kDeepest, " levels; the file is damaged or hostile"));
  }
}

json parseHeader(std::string_view header) {
  checkDepth(header);
  try {
    return json::parse(header.begin(), header.end());
  } catch (const json::exception& error) {
    throw Error(text("has a header that is not JSON: ", std::string(error.what()).substr(0, kLongestReason),
                     "; the file is damaged"));
  }
}

/// The list of numbers of at least 0 under `key`.
std::vector<int64_t> numbers(const json& entry, const char* key) {
  std::vector<int64_t> result;
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) throw Error(text("has no list '", key, "' in the header"));
  for (const auto& number : *found) {
    if (!number.is_number_unsigned() || number.get<uint64_t>() > INT64_MAX)
      throw Error(text("has something else than sizes in '", key, "'"));
    result.push_back(number.get<int64_t>());
  }
  return result;
}

/// The bytes of one tensor; moves `end` to where the last of all tensors ends.
std::string_view window(const json& entry, std::string_view data, uint64_t& end) {
  const auto offsets = numbers(entry, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1])
    throw Error("has data_offsets that are no [begin, end]");
  const auto first = static_cast<uint64_t>(offsets[0]), last = static_cast<uint64_t>(offsets[1]);
  if (last > data.size())
    throw Error(text("ends at byte ", last, " of the data, found ", data.size(),
                     " bytes; the file is cut short, download or copy it again"));
  end = std::max(end, last);
  return data.substr(static_cast<size_t>(first), static_cast<size_t>(last - first));
}

}  // namespace

bool isSafetensors(std::string_view bytes) {
  return bytes.size() > 8 && bytes[8] == '{' && Cursor(bytes).read<uint64_t>() <= kLargestHeader;
}

Weights readSafetensors(const File& file) {
  Cursor cursor(*file);
  const auto headerSize = cursor.read<uint64_t>();
  if (headerSize > cursor.left())
    throw Error(text("is cut short: its header has ", headerSize, " bytes, found ", cursor.left(),
                     "; download or copy it again"));
  const json header = parseHeader(cursor.take(headerSize));
  const auto data = cursor.take(cursor.left());
  Weights weights;
  weights.buffers.push_back(file);
  uint64_t end = 0;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadata) continue;
    try {
      const auto type = entry.find("dtype");
      if (!entry.is_object() || type == entry.end() || !type->is_string())
        throw Error("has no dtype in the header");
      const auto typeName = type->get<std::string>();
      const auto bytes = window(entry, data, end);
      const auto* known =
          std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.name == typeName; });
      if (known == kTypes.end())
        weights.others[name] = "a tensor of " + typeName;
      else
        weights.tensors[name] = denseTensor(known->type, numbers(entry, "shape"), bytes);
    } catch (const Error& error) {
      throw Error(text("tensor '", name, "' ", error.what()));
    }
  }
  if (end != data.size())
    throw Error(
        text("is damaged: its tensors end at byte ", end, " of the data, found ", data.size(), " bytes"));
  return weights;
}

}  // namespace rdi::convert::readers
